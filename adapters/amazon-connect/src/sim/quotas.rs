//! Token buckets, one for each operation, as Connect documents them for an account and region.

use std::collections::HashMap;

use jiff::Timestamp;

use super::errors::Refused;
use super::settings::Limits;

/// An operation that has a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    StartChatContact,
    StartContactStreaming,
    StopContactStreaming,
    StopContact,
    DescribeContact,
    ListAssociatedContacts,
    GetContactAttributes,
    UpdateContactAttributes,
    DescribeUser,
    DescribeQueue,
    ListQueues,
    CreateParticipantConnection,
    SendMessage,
    SendEvent,
    GetTranscript,
    GetAttachment,
    DisconnectParticipant,
    StartAttachmentUpload,
    CompleteAttachmentUpload,
}

impl Operation {
    /// Requests a second, and how many may come at once.
    fn documented(self) -> (f64, f64) {
        match self {
            Self::StartChatContact | Self::StartContactStreaming | Self::StopContactStreaming => (5.0, 8.0),
            Self::StopContact | Self::DescribeContact | Self::GetContactAttributes | Self::UpdateContactAttributes => {
                (10.0, 15.0)
            }
            Self::DescribeUser | Self::DescribeQueue | Self::ListQueues | Self::ListAssociatedContacts => (2.0, 5.0),
            Self::CreateParticipantConnection => (6.0, 9.0),
            Self::SendMessage | Self::SendEvent => (10.0, 15.0),
            Self::GetTranscript | Self::GetAttachment => (8.0, 12.0),
            Self::DisconnectParticipant => (3.0, 5.0),
            Self::StartAttachmentUpload | Self::CompleteAttachmentUpload => (2.0, 5.0),
        }
    }

    /// What too many calls are answered with: `ThrottlingException` where the model of the operation has it, else the
    /// unmodelled `TooManyRequestsException`.
    pub(super) fn throttle_code(self) -> &'static str {
        match self {
            Self::StartChatContact
            | Self::StartContactStreaming
            | Self::StopContactStreaming
            | Self::StopContact
            | Self::GetContactAttributes
            | Self::UpdateContactAttributes => "TooManyRequestsException",
            _ => "ThrottlingException",
        }
    }
}

/// The buckets of one account and region.
pub(super) struct Quotas {
    limits: Limits,
    buckets: HashMap<Operation, Bucket>,
}

struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
}

impl Quotas {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, buckets: HashMap::new() }
    }

    /// How many chats may be active at once.
    pub(super) fn active_chats(&self) -> usize {
        match self.limits {
            Limits::Documented => 500,
            Limits::Raised => 500_000,
            Limits::Off => usize::MAX,
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// 429 in the operation's own words when there is none.
    pub(super) fn take(&mut self, operation: Operation, now: Timestamp) -> Result<(), Refused> {
        let factor = match self.limits {
            Limits::Documented => 1.0,
            Limits::Raised => 1_000.0,
            Limits::Off => return Ok(()),
        };
        let (rate, burst) = operation.documented();
        let (rate, burst) = (rate * factor, burst * factor);
        let bucket = self.buckets.entry(operation).or_insert(Bucket { tokens: burst, filled_at: now });
        let passed = now.duration_since(bucket.filled_at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed * rate).min(burst);
        bucket.filled_at = bucket.filled_at.max(now);
        if bucket.tokens < 1.0 {
            return Err(Refused::throttled(operation.throttle_code()));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn granted(quotas: &mut Quotas, operation: Operation, now: Timestamp, calls: usize) -> usize {
        (0..calls).filter(|_| quotas.take(operation, now).is_ok()).count()
    }

    #[test]
    fn a_burst_is_granted_and_then_the_rate() {
        let start = Timestamp::UNIX_EPOCH;
        let cases = [
            (Operation::StartChatContact, 8, 5),
            (Operation::DescribeContact, 15, 10),
            (Operation::ListQueues, 5, 2),
            (Operation::SendMessage, 15, 10),
            (Operation::DisconnectParticipant, 5, 3),
        ];
        for (operation, burst, rate) in cases {
            let mut quotas = Quotas::new(Limits::Documented);
            assert_eq!(granted(&mut quotas, operation, start, 100), burst, "{operation:?}");
            let later = start + jiff::SignedDuration::from_secs(1);
            assert_eq!(granted(&mut quotas, operation, later, 100), rate, "{operation:?}");
            let much_later = start + jiff::SignedDuration::from_secs(100);
            assert_eq!(granted(&mut quotas, operation, much_later, 100), burst, "{operation:?}");
        }
    }

    #[test]
    fn operations_do_not_share_a_bucket_and_say_no_in_their_own_words() {
        let mut quotas = Quotas::new(Limits::Documented);
        granted(&mut quotas, Operation::StartChatContact, Timestamp::UNIX_EPOCH, 100);
        let refused = quotas.take(Operation::StartChatContact, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!((refused.code, refused.status.as_u16()), ("TooManyRequestsException", 429));
        assert!(quotas.take(Operation::StartContactStreaming, Timestamp::UNIX_EPOCH).is_ok());
    }

    #[test]
    fn limits_can_be_raised_or_off_and_a_clock_that_steps_back_grants_nothing() {
        let mut raised = Quotas::new(Limits::Raised);
        assert_eq!(granted(&mut raised, Operation::ListQueues, Timestamp::UNIX_EPOCH, 10_000), 5_000);
        assert_eq!(
            granted(&mut Quotas::new(Limits::Off), Operation::ListQueues, Timestamp::UNIX_EPOCH, 10_000),
            10_000
        );
        let mut quotas = Quotas::new(Limits::Documented);
        granted(&mut quotas, Operation::ListQueues, Timestamp::UNIX_EPOCH, 5);
        let before = Timestamp::UNIX_EPOCH - jiff::SignedDuration::from_secs(60);
        assert_eq!(granted(&mut quotas, Operation::ListQueues, before, 5), 0);
    }
}
