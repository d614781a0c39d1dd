//! Recordings: listing, exporting, correcting and deleting them.

use super::Api;
use crate::batch::outputs::Form;
use serde::Deserialize;
use serde_json::{Value, json};

/// Recordings in one answer.
const PAGE: usize = 500;

/// A recording in a list.
#[derive(Debug, Deserialize)]
pub struct Summary {
    /// Id.
    pub id: String,
    /// Title.
    pub title: String,
    /// queued, processing, completed, completed_with_gaps, failed or cancelled.
    pub state: String,
    /// Length in seconds, once known.
    pub duration_seconds: Option<f64>,
    /// Time of the upload.
    pub created_at: String,
}

/// A turn, as corrections name it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PlacedTurn {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// Label of the speaker.
    pub speaker: String,
    /// First frame.
    pub first_frame: u32,
    /// One past the last frame.
    pub end_frame: u32,
}

/// Filter of the recordings that are listed.
#[derive(Debug, Default)]
pub struct Wanted {
    /// States with commas between.
    pub state: Option<String>,
    /// With this in the title.
    pub title: Option<String>,
    /// Uploaded after this time, RFC 3339.
    pub after: Option<String>,
    /// Uploaded before this time, RFC 3339.
    pub before: Option<String>,
}

impl Api {
    /// The `most` newest recordings that are `wanted`, newest first.
    pub async fn recordings(&self, wanted: &Wanted, most: usize) -> anyhow::Result<Vec<Summary>> {
        #[derive(Deserialize)]
        struct Page {
            recordings: Vec<Summary>,
            next: Option<String>,
        }
        let (mut all, mut next): (Vec<Summary>, Option<String>) = (Vec::new(), None);
        while all.len() < most {
            let limit = PAGE.min(most - all.len()).to_string();
            let query = [
                Some(("limit", limit)),
                wanted.state.clone().map(|it| ("state", it)),
                wanted.title.clone().map(|it| ("title", it)),
                wanted.after.clone().map(|it| ("created_after", it)),
                wanted.before.clone().map(|it| ("created_before", it)),
                next.map(|it| ("before", it)),
            ];
            let query: Vec<_> = query.into_iter().flatten().collect();
            let page: Page = self.json(self.http.get(self.url("")).query(&query)).await?;
            all.extend(page.recordings);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(all)
    }

    /// Deletes a recording with all that is stored of it.
    pub async fn delete(&self, id: &str) -> anyhow::Result<()> {
        self.send(self.http.delete(self.url(&format!("/{id}")))).await?;
        Ok(())
    }

    /// Gives a recording another title.
    pub async fn set_title(&self, id: &str, title: &str) -> anyhow::Result<()> {
        let request = self.http.patch(self.url(&format!("/{id}"))).json(&json!({ "title": title }));
        self.send(request).await?;
        Ok(())
    }

    /// A recording's turns in one of the forms.
    pub async fn export(&self, id: &str, form: Form) -> anyhow::Result<String> {
        let query = [("format", form.name())];
        let request = self.http.get(self.url(&format!("/{id}/turns"))).query(&query);
        Ok(self.send(request).await?.text().await?)
    }

    /// A recording's turns with their frames.
    pub async fn placed_turns(&self, id: &str) -> anyhow::Result<Vec<PlacedTurn>> {
        #[derive(Deserialize)]
        struct Turns {
            turns: Vec<PlacedTurn>,
        }
        Ok(self.json::<Turns>(self.http.get(self.url(&format!("/{id}/turns")))).await?.turns)
    }

    /// Corrections that people made to a recording, oldest first.
    pub async fn corrections(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        self.corrected(self.http.get(self.url(&format!("/{id}/corrections")))).await
    }

    /// Makes a correction; returns all that there are.
    pub async fn correct(&self, id: &str, correction: &Value) -> anyhow::Result<Vec<Value>> {
        self.corrected(self.http.post(self.url(&format!("/{id}/corrections"))).json(correction)).await
    }

    /// Takes the last correction back, which has this number; returns those that are left.
    pub async fn take_back(&self, id: &str, number: u64) -> anyhow::Result<Vec<Value>> {
        self.corrected(self.http.delete(self.url(&format!("/{id}/corrections/{number}")))).await
    }

    async fn corrected(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Vec<Value>> {
        #[derive(Deserialize)]
        struct List {
            corrections: Vec<Value>,
        }
        Ok(self.json::<List>(request).await?.corrections)
    }
}
