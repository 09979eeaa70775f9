//! Connect's interactive messages, rendered down to text that a customer can answer with a number or a word.
//!
//! Shapes: `{templateType, version, data: {replyMessage, content: {title, subtitle, elements | timeslots, …}}}`, where
//! the type is `ListPicker`, `Panel`, `QuickReply`, `TimePicker` or `Carousel` (whose elements are templates
//! themselves). Source: Amazon Connect administrator guide, "Add Amazon Lex interactive messages for customers in
//! chat". `replyMessage` is what the widget shows after the choice, so it is left out.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::Value;

use super::attachment::one_line;

/// Renders an interactive message. What is no template stays as it is.
pub(super) fn message(json: &str) -> String {
    let Ok(template) = serde_json::from_str::<Value>(json) else { return json.to_owned() };
    let mut page = Page { out: String::new(), choices: 0 };
    page.template(&template, 0);
    if page.out.is_empty() { json.to_owned() } else { page.out }
}

/// Renders the answer to an interactive message: what was chosen, the filled form line by line, or the button's name.
/// What is no answer stays as it is.
pub(super) fn answer(json: &str) -> String {
    let Ok(answer) = serde_json::from_str::<Value>(json) else { return json.to_owned() };
    let data = answer.get("data").unwrap_or(&Value::Null);
    // The chat widgets in use name the chosen element in different places.
    let chosen = ["/title", "/content/title", "/replyMessage/title", "/selectedOption", "/value", "/elementId"]
        .iter()
        .find_map(|place| data.pointer(place).and_then(text))
        .or_else(|| text(data));
    if let Some(chosen) = chosen {
        return chosen;
    }
    let form = data.as_object().map(form).unwrap_or_default();
    if !form.is_empty() {
        return form;
    }
    let action = answer.get("action").or_else(|| data.get("actionName")).and_then(text);
    action.unwrap_or_else(|| json.to_owned())
}

/// Fields of an answer that are for programs.
const FOR_PROGRAMS: [&str; 7] =
    ["actionName", "listId", "nextIndex", "preIndex", "referenceId", "templateIdentifier", "templateType"];

fn form(fields: &serde_json::Map<String, Value>) -> String {
    fields
        .iter()
        .filter(|(name, _)| !FOR_PROGRAMS.contains(&name.as_str()))
        .filter_map(|(name, value)| Some(format!("{}: {}", one_line(name), text(value)?)))
        .collect::<Vec<_>>()
        .join("\n")
}

struct Page {
    out: String,
    /// Numbers run through all cards of a carousel, so that a number says which choice is meant.
    choices: usize,
}

impl Page {
    /// Writes one template; `depth` is 0 for the message itself and 1 for a card of a carousel. Deeper ones are none.
    fn template(&mut self, template: &Value, depth: usize) {
        let Some(content) = template.pointer("/data/content") else { return };
        for field in ["title", "subtitle"] {
            if let Some(line) = content.get(field).and_then(text) {
                self.line(&line);
            }
        }
        if let Some(place) = content.pointer("/location/title").and_then(text) {
            self.line(&place);
        }
        for element in array(content, "elements") {
            if depth == 0 && element.get("data").is_some() {
                self.out.push('\n');
                self.template(element, 1);
            } else {
                self.element(element);
            }
        }
        let offset = content.get("timeZoneOffset").and_then(Value::as_i64);
        for slot in array(content, "timeslots") {
            if let Some(date) = slot.get("date").and_then(text) {
                self.choice(&time(&date, offset));
            }
        }
    }

    fn element(&mut self, element: &Value) {
        let Some(title) = element.get("title").and_then(text) else { return };
        let mut choice = title;
        if let Some(subtitle) = element.get("subtitle").and_then(text) {
            choice.push_str(&format!(" - {subtitle}"));
        }
        // Elements of the type "hyperlink" lead somewhere instead of answering.
        if let Some(url) = element.get("url").and_then(text) {
            choice.push_str(&format!(" ({url})"));
        }
        self.choice(&choice);
    }

    fn choice(&mut self, choice: &str) {
        self.choices += 1;
        let choice = format!("{}. {choice}", self.choices);
        self.line(&choice);
    }

    fn line(&mut self, line: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(line);
    }
}

fn array<'a>(content: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    content.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A string or number, if there is something in it.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(answer) => if *answer { "yes" } else { "no" }.to_owned(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A slot's time (`2020-10-31T17:00+00:00`) at the picker's offset (minutes from GMT), as a person reads it.
fn time(date: &str, offset_minutes: Option<i64>) -> String {
    let Ok(at) = date.parse::<Timestamp>() else { return date.to_owned() };
    let seconds = offset_minutes.and_then(|minutes| i32::try_from(minutes).ok()).and_then(|m| m.checked_mul(60));
    let offset = seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()).unwrap_or(Offset::UTC);
    let local = offset.to_datetime(at);
    format!("{} (UTC{offset})", local.strftime("%a %Y-%m-%d %H:%M"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_picker_is_a_numbered_list() {
        let picker = json!({
            "templateType": "ListPicker", "version": "1.0",
            "data": {
                "replyMessage": {"title": "Noted"},
                "content": {
                    "title": "What is it about?", "subtitle": "Choose one", "imageType": "URL", "imageData": "https://x.test/i.png",
                    "elements": [
                        {"title": "Bill", "subtitle": "What you pay"},
                        {"title": "Tariffs", "type": "hyperlink", "url": "https://x.test/tariffs"},
                        {"title": "More", "actionDetail": "SHOW_MORE"},
                        {"subtitle": "without a title"}, 7
                    ]
                }
            }
        });
        insta::assert_snapshot!(message(&picker.to_string()), @r"
        What is it about?
        Choose one
        1. Bill - What you pay
        2. Tariffs (https://x.test/tariffs)
        3. More
        ");
    }

    #[test]
    fn panels_and_quick_replies_are_lists_too() {
        for kind in ["Panel", "QuickReply"] {
            let picker = json!({
                "templateType": kind, "data": {"content": {"title": "Well?", "elements": [{"title": "Yes"}, {"title": "No"}]}}
            });
            assert_eq!(message(&picker.to_string()), "Well?\n1. Yes\n2. No");
        }
    }

    #[test]
    fn a_time_picker_shows_times_at_its_own_offset() {
        let slots = json!([
            {"date": "2020-10-31T17:00+00:00", "duration": 60},
            {"date": "2020-11-15T02:30+00:00", "duration": 60},
            {"date": "some day"}
        ]);
        let picker = |offset: Value| {
            let picker = json!({"templateType": "TimePicker", "data": {"content": {
                "title": "When?", "timeZoneOffset": offset, "location": {"title": "Main street"}, "timeslots": slots
            }}});
            message(&picker.to_string())
        };
        insta::assert_snapshot!(picker(json!(-450)), @r"
        When?
        Main street
        1. Sat 2020-10-31 09:30 (UTC-07:30)
        2. Sat 2020-11-14 19:00 (UTC-07:30)
        3. some day
        ");
        assert!(picker(Value::Null).contains("1. Sat 2020-10-31 17:00 (UTC+00)"), "{}", picker(Value::Null));
        assert!(picker(json!(i64::MAX)).contains("17:00 (UTC+00)"));
    }

    #[test]
    fn the_choices_of_a_carousel_are_numbered_through() {
        let card = |title: &str| json!({"templateType": "ListPicker", "data": {"content": {"title": title, "elements": [{"title": "Take"}]}}});
        let carousel = json!({"templateType": "Carousel", "data": {"content": {
            "title": "Which?", "elements": [card("Red"), card("Blue")]
        }}});
        insta::assert_snapshot!(message(&carousel.to_string()), @r"
        Which?

        Red
        1. Take

        Blue
        2. Take
        ");
    }

    #[test]
    fn an_answer_becomes_what_was_chosen() {
        let rows = [
            (
                json!({"version": "1.0", "action": "SHOW_MORE", "data": {"actionName": "SHOW_MORE", "listId": "l", "preIndex": -1}}),
                "SHOW_MORE",
            ),
            (json!({"data": {"elementId": "order_status"}}), "order_status"),
            (json!({"data": {"content": {"title": "Bill"}}}), "Bill"),
            (json!({"data": "Bill"}), "Bill"),
            (
                json!({"action": "Submit", "data": {"street": "High 1", "agree": true, "age": 7}}),
                "age: 7\nagree: yes\nstreet: High 1",
            ),
            (json!({"action": "Back", "data": {}}), "Back"),
            (json!({"x": 1}), r#"{"x":1}"#),
        ];
        for (json, said) in rows {
            assert_eq!(answer(&json.to_string()), said);
        }
    }

    #[test]
    fn what_is_no_template_stays_as_it_is() {
        let deep = "[".repeat(5_000);
        for text in ["", "hello", "[]", "{}", r#"{"data":{"content":{}}}"#, deep.as_str()] {
            assert_eq!(message(text), text);
            assert_eq!(answer(text), text);
        }
    }

    proptest! {
        #[test]
        fn every_time_is_read_or_left(date in "[0-9T:+-]{0,30}", offset in prop::option::of(any::<i64>())) {
            let _ = time(&date, offset);
        }
    }
}
