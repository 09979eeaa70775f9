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
    let (mut kinds, mut size, mut from) = (Vec::new(), 100, 0);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "queueTypes" if ["STANDARD", "AGENT"].contains(&value.as_ref()) => kinds.push(value.into_owned()),
            "queueTypes" => return Err(Refused::invalid_parameter("queueTypes is STANDARD or AGENT")),
            "maxResults" => size = value.parse().ok().filter(|size| (1..=1_000).contains(size)).unwrap_or(0),
            "nextToken" => {
                from = value.parse().map_err(|_| Refused::invalid_parameter("nextToken is not valid"))?;
            }
            _ => {}
        }
    }
    if size == 0 {
        return Err(Refused::invalid_parameter("maxResults is 1 to 1000"));
    }
    cloud.with(|instance, _| {
        instance.check_instance(&given)?;
        Ok(Json(instance.list_queues(&kinds, size, from)))
    })
}
