//! Operations that only read.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde_json::Value;
use url::form_urlencoded;

use super::front::Signed;
use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::quotas::Operation;

type Answer = Result<Json<Value>, Refused>;
type Two = Path<(String, String)>;

/// `GET /contacts/{InstanceId}/{ContactId}`
pub(super) async fn describe_contact(
    State(cloud): State<Arc<Cloud>>,
    Path((given, id)): Two,
    signed: Signed,
) -> Answer {
    signed.take_quota(&cloud, Operation::DescribeContact)?;
    cloud.with(|instance, _| {
        instance.check_instance(&given)?;
        instance.describe_contact(&id).map(Json)
    })
}

/// `GET /contact/associated/{InstanceId}?contactId=...&maxResults=...&nextToken=...`
pub(super) async fn list_associated_contacts(
    State(cloud): State<Arc<Cloud>>,
    Path(given): Path<String>,
    RawQuery(query): RawQuery,
    signed: Signed,
) -> Answer {
    signed.take_quota(&cloud, Operation::ListAssociatedContacts)?;
    let (mut contact, mut page) = (None, Page::default());
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "contactId" => contact = Some(value.into_owned()),
            name => page.read(name, &value, 100)?,
        }
    }
    let contact = contact.ok_or_else(|| Refused::invalid_parameter("contactId is missing"))?;
    cloud.with(|instance, _| {
        instance.check_instance(&given)?;
        instance.list_associated_contacts(&contact, page.size, page.from).map(Json)
    })
}

/// `GET /users/{InstanceId}/{UserId}`
pub(super) async fn describe_user(State(cloud): State<Arc<Cloud>>, Path((given, id)): Two, signed: Signed) -> Answer {
    signed.take_quota(&cloud, Operation::DescribeUser)?;
    cloud.with(|instance, _| {
        instance.check_instance(&given)?;
        instance.describe_user(&id).map(Json)
    })
}

/// `GET /queues/{InstanceId}/{QueueId}`
pub(super) async fn describe_queue(State(cloud): State<Arc<Cloud>>, Path((given, id)): Two, signed: Signed) -> Answer {
    signed.take_quota(&cloud, Operation::DescribeQueue)?;
    cloud.with(|instance, _| {
        instance.check_instance(&given)?;
        instance.describe_queue(&id).map(Json)
    })
}

/// `GET /queues-summary/{InstanceId}?queueTypes=...&maxResults=...&nextToken=...`
pub(super) async fn list_queues(
    State(cloud): State<Arc<Cloud>>,
    Path(given): Path<String>,
    RawQuery(query): RawQuery,
    signed: Signed,
) -> Answer {
    signed.take_quota(&cloud, Operation::ListQueues)?;
    let (mut kinds, mut page) = (Vec::new(), Page::default());
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "queueTypes" if ["STANDARD", "AGENT"].contains(&value.as_ref()) => kinds.push(value.into_owned()),
            "queueTypes" => return Err(Refused::invalid_parameter("queueTypes is STANDARD or AGENT")),
            name => page.read(name, &value, 1_000)?,
        }
    }
    cloud.with(|instance, _| {
        instance.check_instance(&given)?;
        Ok(Json(instance.list_queues(&kinds, page.size, page.from)))
    })
}

/// Which part of a list is asked for.
struct Page {
    size: usize,
    from: usize,
}

impl Default for Page {
    fn default() -> Self {
        Page { size: 100, from: 0 }
    }
}

impl Page {
    /// Reads one parameter of a query; others than the two that pages have are let be.
    fn read(&mut self, name: &str, value: &str, most: usize) -> Result<(), Refused> {
        let number = value.parse().ok();
        match name {
            "maxResults" => {
                let size = number.filter(|size| (1..=most).contains(size));
                self.size = size.ok_or_else(|| Refused::invalid_parameter(format!("maxResults is 1 to {most}")))?;
            }
            "nextToken" => {
                self.from = number.ok_or_else(|| Refused::invalid_parameter("nextToken is not valid"))?;
            }
            _ => {}
        }
        Ok(())
    }
}
