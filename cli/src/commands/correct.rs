//! `throughline correct ID …`.

use crate::api::recordings::PlacedTurn;
use crate::api::{Api, Server};
use crate::report::{READABLE_GAP_S, clock, count};
use anyhow::{Context, bail};
use serde_json::{Value, json};

/// Arguments of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Id of the recording.
    id: String,
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: Server,
}

/// What is corrected. Turns are named by their speaker and a time in them, in seconds or as on a clock: 75.3, 1:15.3, 1:02:00.
#[derive(clap::Subcommand)]
enum What {
    /// Give a speaker another name.
    Rename { speaker: String, name: String },
    /// Make two speakers one, under the second's name.
    Merge { speaker: String, into: String },
    /// Give a turn to another speaker.
    Move {
        speaker: String,
        #[arg(value_parser = seconds)]
        at: f64,
        to: String,
        /// The other speaker is new: TO is the name.
        #[arg(long)]
        new: bool,
        /// With --new: what else sounds like the turn goes along.
        #[arg(long, requires = "new")]
        similar: bool,
    },
    /// Make a turn two, at a time.
    Split {
        speaker: String,
        #[arg(value_parser = seconds)]
        at: f64,
    },
    /// Let a turn begin at another time.
    Start {
        speaker: String,
        #[arg(value_parser = seconds)]
        at: f64,
        #[arg(value_parser = seconds)]
        to: f64,
    },
    /// Let a turn end at another time.
    End {
        speaker: String,
        #[arg(value_parser = seconds)]
        at: f64,
        #[arg(value_parser = seconds)]
        to: f64,
    },
    /// Take a turn out: it is no speech.
    Remove {
        speaker: String,
        #[arg(value_parser = seconds)]
        at: f64,
    },
    /// Add a turn that was missed.
    Add {
        #[arg(value_parser = seconds)]
        start: f64,
        #[arg(value_parser = seconds)]
        end: f64,
        speaker: String,
        /// The speaker is new: SPEAKER is the name.
        #[arg(long)]
        new: bool,
    },
    /// Take the last correction back.
    Undo,
    /// List the corrections.
    List,
    /// Give the recording another title.
    Title { title: String },
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (api, id) = (Api::new(&args.server), &args.id[..]);
        let all = match &args.what {
            What::Title { title } => {
                api.set_title(id, title).await?;
                println!("{id} is called '{title}'");
                return Ok(());
            }
            What::List => {
                let all = api.corrections(id).await?;
                all.iter().for_each(|it| println!("{}", line(it)));
                all
            }
            What::Undo => {
                let last = api.corrections(id).await?.pop().context("there is no correction to take back")?;
                let left = api.take_back(id, last["number"].as_u64().unwrap_or_default()).await?;
                println!("undone: {}", line(&last));
                left
            }
            change => {
                let all = api.correct(id, &body(&api, id, change).await?).await?;
                all.last().into_iter().for_each(|it| println!("{}", line(it)));
                all
            }
        };
        println!("{}", count(all.len() as u64, "correction"));
        Ok(())
    })
}

/// Body of the request that makes the correction `what`.
async fn body(api: &Api, id: &str, what: &What) -> anyhow::Result<Value> {
    let whose = |name: &str, new: bool| if new { json!({ "new": name }) } else { json!(name) };
    let of = async |kind: &str, speaker: &str, at: f64| {
        let turns = api.placed_turns(id).await?;
        let turn = find(&turns, speaker, at)?;
        anyhow::Ok(json!({
            "kind": kind,
            "first_frame": turn.first_frame,
            "end_frame": turn.end_frame,
            "speaker": turn.speaker,
        }))
    };
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    Ok(match what {
        What::Rename { speaker, name } => json!({ "kind": "rename", "speaker": speaker, "name": name }),
        What::Merge { speaker, into } => json!({ "kind": "merge", "speaker": speaker, "into": into }),
        What::Move { speaker, at, to, new, similar } => {
            let mut to = whose(to, *new);
            if *similar {
                to["similar"] = json!(true);
            }
            with(of("move", speaker, *at).await?, "to", to)
        }
        What::Split { speaker, at } => with(of("split", speaker, *at).await?, "at", json!(at)),
        What::Start { speaker, at, to } | What::End { speaker, at, to } => {
            let edge = if matches!(what, What::Start { .. }) { "start" } else { "end" };
            with(with(of("border", speaker, *at).await?, "edge", json!(edge)), "at", json!(to))
        }
        What::Remove { speaker, at } => of("remove", speaker, *at).await?,
        What::Add { start, end, speaker, new } => {
            json!({ "kind": "add", "start": start, "end": end, "speaker": whose(speaker, *new) })
        }
        What::Undo | What::List | What::Title { .. } => bail!("nothing is to be sent"),
    })
}

/// The turn of `speaker` at a time: as the table shows it, with short pauses.
fn find(turns: &[PlacedTurn], speaker: &str, at: f64) -> anyhow::Result<PlacedTurn> {
    let mut shown: Vec<PlacedTurn> = Vec::new();
    for turn in turns {
        match shown.last_mut() {
            Some(last)
                if last.speaker == turn.speaker
                    && turn.first_frame > last.end_frame
                    && turn.start - last.end < READABLE_GAP_S =>
            {
                (last.end, last.end_frame) = (turn.end, turn.end_frame);
            }
            _ => shown.push(turn.clone()),
        }
    }
    // Times are read off a table that shows tenths.
    const SLACK_S: f64 = 0.05;
    let own = shown.iter().filter(|turn| turn.speaker == speaker);
    let there = own.clone().filter(|turn| turn.start - SLACK_S <= at && at < turn.end + SLACK_S);
    let inside = |turn: &&PlacedTurn| (at - turn.start).min(turn.end - at);
    if let Some(turn) = there.max_by(|a, b| inside(a).total_cmp(&inside(b))) {
        return Ok(turn.clone());
    }
    let away = |turn: &&PlacedTurn| (turn.start - at).max(at - turn.end);
    match own.min_by(|a, b| away(a).total_cmp(&away(b))) {
        Some(near) => bail!(
            "{speaker} has no turn at {}; the nearest is from {} to {}",
            clock(at),
            clock(near.start),
            clock(near.end)
        ),
        None => bail!("there is no turn of '{speaker}'"),
    }
}

/// `75.3` and `1:15.3` as seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("'{text}' is no time: give seconds (75.3) or minutes and seconds (1:15.3)");
    let mut all = 0.0;
    for part in text.split(':') {
        let number: f64 = part.parse().map_err(|_| wrong())?;
        if !(0.0..1e7).contains(&number) {
            return Err(wrong());
        }
        all = all * 60.0 + number;
    }
    Ok(all)
}

/// A correction in words.
fn line(it: &Value) -> String {
    let text = |key: &str| match &it[key] {
        Value::Object(new) => format!("{} (new)", new["new"].as_str().unwrap_or_default()),
        value => value.as_str().unwrap_or_default().to_owned(),
    };
    let time = |key: &str| clock(it[key].as_f64().unwrap_or_default());
    let said = match it["kind"].as_str().unwrap_or_default() {
        "rename" => format!("{} is called {}", text("speaker"), text("name")),
        "merge" => format!("{} is {}", text("speaker"), text("into")),
        "move" => format!("a turn of {} is {}'s", text("speaker"), text("to")),
        "split" => format!("a turn of {} is split at {}", text("speaker"), time("at")),
        "border" => {
            let begins = if it["edge"] == "start" { "begins" } else { "ends" };
            format!("a turn of {} {begins} at {}", text("speaker"), time("at"))
        }
        "remove" => format!("a turn of {} is no speech", text("speaker")),
        "add" => format!("a turn of {} from {} to {}", text("speaker"), time("start"), time("end")),
        other => other.to_owned(),
    };
    let gone = if it["applied"] == false { " (no longer found)" } else { "" };
    format!("{:>4}  {said}{gone}", it["number"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_as_on_a_clock() {
        assert_eq!(seconds("75.3"), Ok(75.3));
        assert_eq!(seconds("1:15.5"), Ok(75.5));
        assert_eq!(seconds("1:02:00"), Ok(3720.0));
        for wrong in ["", "1:", "-1", "abc", "1:-2", "NaN", "inf"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_turn_is_found_as_the_table_shows_it() {
        let turn = |first_frame: u32, end_frame: u32, speaker: &str| PlacedTurn {
            start: f64::from(first_frame) / 100.0,
            end: f64::from(end_frame) / 100.0,
            speaker: speaker.into(),
            first_frame,
            end_frame,
        };
        let turns = [
            turn(0, 100, "A"),
            turn(120, 200, "A"),
            // Split by a person.
            turn(200, 300, "A"),
            turn(400, 500, "B"),
        ];
        let span =
            |speaker: &str, at: f64| find(&turns, speaker, at).map(|it| (it.first_frame, it.end_frame)).ok();
        assert_eq!(span("A", 1.1), Some((0, 200)));
        assert_eq!(span("A", 2.5), Some((200, 300)));
        assert_eq!(span("B", 3.97), Some((400, 500)));
        let missed = find(&turns, "B", 1.0).expect_err("nobody").to_string();
        assert_eq!(missed, "B has no turn at 0:01.0; the nearest is from 0:04.0 to 0:05.0");
        assert!(find(&turns, "C", 1.0).expect_err("nobody").to_string().contains("no turn of 'C'"));
    }
}
