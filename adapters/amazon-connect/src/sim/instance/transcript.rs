//! `GetTranscript`: the items of a chat, in pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::instant;
use super::{Instance, Item, Visibility};
use crate::sim::errors::Refused;

const DEFAULT_RESULTS: usize = 10;

/// The body of the request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::sim) struct TranscriptWish {
    contact_id: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    scan_direction: Option<Direction>,
    sort_order: SortOrder,
    start_position: Option<Start>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Direction {
    Forward,
    Backward,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum SortOrder {
    Ascending,
    #[default]
    Descending,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Start {
    id: Option<String>,
    absolute_time: Option<String>,
    most_recent: Option<usize>,
}

/// A page: which items, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    /// Positions, ascending.
    positions: Vec<usize>,
    next: Option<(Direction, i64)>,
}

impl Instance {
    /// A page of what the customer may see. A page shorter than asked for is the last one; only it has no `NextToken`.
    pub(in crate::sim) fn transcript(
        &self,
        token: &str,
        wish: &TranscriptWish,
        now: Timestamp,
    ) -> Result<Value, Refused> {
        let id = self.connected_chat(token, now)?;
        let chat = self.chats.get(&id).ok_or_else(Refused::access_denied)?;
        if let Some(contact) = wish.contact_id.as_ref().filter(|contact| !chat.segments.contains(*contact)) {
            return Err(Refused::validation(format!("contact {contact:?} is not of this chat")));
        }
        let of_contact = |item: &&Item| wish.contact_id.as_ref().is_none_or(|contact| item.contact_id == *contact);
        let visible: Vec<&Item> =
            chat.items.iter().filter(|item| item.visibility == Visibility::All).filter(of_contact).collect();
        let page = page(&visible, wish)?;
        let mut items: Vec<Value> =
            page.positions.iter().filter_map(|at| visible.get(*at)).map(|item| view(item)).collect();
        if wish.sort_order == SortOrder::Descending {
            items.reverse();
        }
        let mut answer = json!({ "InitialContactId": id, "Transcript": items });
        if let Some((direction, position)) = page.next {
            let letter = if direction == Direction::Forward { 'F' } else { 'B' };
            answer["NextToken"] = json!(URL_SAFE_NO_PAD.encode(format!("{letter}{position}")));
        }
        Ok(answer)
    }
}

fn page(items: &[&Item], wish: &TranscriptWish) -> Result<Page, Refused> {
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (direction, start) = match &wish.next_token {
        Some(token) => read_token(token).ok_or_else(|| Refused::validation("NextToken is not valid"))?,
        None => {
            let implied = if wish.start_position.is_some() { Direction::Forward } else { Direction::Backward };
            let direction = wish.scan_direction.unwrap_or(implied);
            (direction, first_position(items, wish.start_position.as_ref(), direction)?)
        }
    };
    let size = match wish.max_results {
        Some(0) | None => DEFAULT_RESULTS,
        Some(size) if size <= 100 => size,
        Some(_) => return Err(Refused::validation("MaxResults must be at most 100")),
    };
    let size = i64::try_from(size).unwrap_or(100);
    let (low, high, next) = match direction {
        Direction::Forward => (start, start.saturating_add(size), start.saturating_add(size)),
        Direction::Backward => (start - size + 1, start.saturating_add(1), start - size),
    };
    let positions: Vec<usize> =
        (low.max(0)..high.min(count)).filter_map(|position| usize::try_from(position).ok()).collect();
    let full = i64::try_from(positions.len()) == Ok(size);
    Ok(Page { positions, next: full.then_some((direction, next)) })
}

fn first_position(items: &[&Item], start: Option<&Start>, direction: Direction) -> Result<i64, Refused> {
    let signed = |position: usize| i64::try_from(position).unwrap_or(i64::MAX);
    let last = signed(items.len()) - 1;
    let Some(start) = start else {
        return Ok(if direction == Direction::Forward { 0 } else { last });
    };
    if let Some(id) = &start.id {
        let found = items.iter().position(|item| item.id == *id);
        return found.map(signed).ok_or_else(|| Refused::validation("StartPosition names no item"));
    }
    if let Some(time) = &start.absolute_time {
        let time: Timestamp = time.parse().map_err(|_| Refused::validation("AbsoluteTime is not ISO 8601"))?;
        let later = items.partition_point(|item| item.at < time);
        return Ok(match direction {
            Direction::Forward => signed(later),
            Direction::Backward => signed(items.partition_point(|item| item.at <= time)) - 1,
        });
    }
    Ok((last - start.most_recent.map_or(0, signed)).max(0))
}

fn read_token(token: &str) -> Option<(Direction, i64)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (letter, position) = text.split_at_checked(1)?;
    let direction = match letter {
        "F" => Direction::Forward,
        "B" => Direction::Backward,
        _ => return None,
    };
    let position: i64 = position.parse().ok()?;
    (position.abs() < i64::from(i32::MAX)).then_some((direction, position))
}

/// An item as the transcript and the chat stream show it.
pub(in crate::sim) fn view(item: &Item) -> Value {
    let mut view = json!({
        "AbsoluteTime": instant(item.at),
        "ContentType": item.content_type,
        "Id": item.id,
        "Type": item.kind.name(),
        "ParticipantId": item.author.id,
        "DisplayName": item.author.name,
        "ParticipantRole": item.role.name(),
        "InitialContactId": item.initial_contact_id,
        "ContactId": item.contact_id,
    });
    if let Some(content) = &item.content {
        view["Content"] = json!(content);
    }
    if let Some(attachment) = &item.attachment {
        view["Attachments"] = json!([{
            "AttachmentId": attachment.id, "AttachmentName": attachment.name,
            "ContentType": attachment.content_type, "Status": "APPROVED",
        }]);
    }
    if let Some(receipt) = &item.receipt {
        let stamp = if receipt.read { "ReadTimestamp" } else { "DeliveredTimestamp" };
        view["MessageMetadata"] = json!({
            "MessageId": receipt.message_id,
            "Receipts": [{ stamp: instant(item.at), "RecipientParticipantId": item.author.id }],
        });
    }
    view
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::super::chat::Participant;
    use super::super::{ItemKind, Role};
    use super::*;

    fn items(count: usize) -> Vec<Item> {
        let nobody = Participant { id: String::new(), name: String::new() };
        (0..count)
            .map(|number| Item {
                id: format!("i{number}"),
                at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
                kind: ItemKind::Message,
                content_type: "text/plain".to_owned(),
                content: Some(number.to_string()),
                author: nobody.clone(),
                role: Role::Customer,
                visibility: Visibility::All,
                contact_id: "c".to_owned(),
                initial_contact_id: "c".to_owned(),
                attachment: None,
                receipt: None,
            })
            .collect()
    }

    fn wish(value: Value) -> TranscriptWish {
        serde_json::from_value(value).unwrap()
    }

    fn positions(count: usize, value: Value) -> Vec<usize> {
        let items = items(count);
        page(&items.iter().collect::<Vec<_>>(), &wish(value)).unwrap().positions
    }

    #[test]
    fn pages_begin_where_they_were_asked_to() {
        let range = |from: usize, to: usize| (from..to).collect::<Vec<_>>();
        let cases = [
            (json!({}), range(20, 30)),
            (json!({"ScanDirection": "FORWARD", "MaxResults": 3}), range(0, 3)),
            (json!({"ScanDirection": "BACKWARD", "MaxResults": 3}), range(27, 30)),
            (json!({"StartPosition": {"Id": "i7"}, "MaxResults": 3}), range(7, 10)),
            (json!({"StartPosition": {"Id": "i7"}, "ScanDirection": "BACKWARD", "MaxResults": 3}), range(5, 8)),
            (json!({"StartPosition": {"AbsoluteTime": "1970-01-01T00:00:28.000Z"}, "MaxResults": 9}), range(28, 30)),
            (
                json!({"StartPosition": {"AbsoluteTime": "1970-01-01T00:00:02.500Z"}, "ScanDirection": "BACKWARD"}),
                range(0, 3),
            ),
            (json!({"StartPosition": {"MostRecent": 2}}), range(27, 30)),
        ];
        for (asked, expected) in cases {
            assert_eq!(positions(30, asked.clone()), expected, "{asked}");
        }
        assert_eq!(positions(0, json!({})), range(0, 0));
    }

    proptest! {
        #[test]
        fn paging_to_the_end_shows_everything_once(count in 0_usize..60, size in 1_usize..20, forward: bool) {
            let direction = if forward { "FORWARD" } else { "BACKWARD" };
            let items = items(count);
            let all: Vec<&Item> = items.iter().collect();
            let mut asked = wish(json!({"MaxResults": size, "ScanDirection": direction}));
            let mut seen = Vec::new();
            loop {
                let page = page(&all, &asked).unwrap();
                seen.extend(page.positions);
                let Some((direction, position)) = page.next else { break };
                let letter = if direction == Direction::Forward { 'F' } else { 'B' };
                asked.next_token = Some(URL_SAFE_NO_PAD.encode(format!("{letter}{position}")));
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }

        #[test]
        fn no_token_panics(token in ".{0,30}") {
            for token in [URL_SAFE_NO_PAD.encode(&token), token] {
                prop_assert!(read_token(&token).is_none_or(|(_, position)| position < i64::from(i32::MAX)));
            }
        }
    }
}
