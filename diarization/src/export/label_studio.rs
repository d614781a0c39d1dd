//! A task of Label Studio whose prediction are the turns: to be imported into a project with
//! `<Labels name="speaker" toName="audio">` and `<Audio name="audio" value="$audio">`.

use super::{Line, Sheet};
use serde_json::{Value, json};

pub(super) fn write(sheet: &Sheet) -> String {
    let seconds = |milliseconds: u64| milliseconds as f64 / 1000.0;
    let region = |(number, line): (usize, &Line)| -> Value {
        let mut region = json!({
            "id": format!("turn-{}", number + 1),
            "from_name": "speaker",
            "to_name": "audio",
            "type": "labels",
            "original_length": seconds(sheet.duration_ms()),
            "value": { "start": seconds(line.start_ms), "end": seconds(line.end_ms), "channel": 0, "labels": [line.speaker] },
        });
        if let Some(confidence) = line.confidence {
            region["score"] = json!(confidence);
        }
        region
    };
    let result: Vec<Value> = sheet.lines.iter().enumerate().map(region).collect();
    let task = json!([{
        "data": { "audio": sheet.file },
        "predictions": [{ "model_version": "throughline", "result": result }],
    }]);
    format!("{task:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_a_region_with_its_label_and_its_score() {
        let task: Value = serde_json::from_str(&write(&super::super::tests::sheet())).expect("is JSON");
        let result = &task[0]["predictions"][0]["result"];
        assert_eq!((&result[0]["value"]["labels"], &result[0]["score"]), (&json!(["Ann"]), &json!(0.987)));
        assert_eq!((&result[1]["value"]["end"], &result[1]["score"]), (&json!(3725.004), &Value::Null));
    }
}
