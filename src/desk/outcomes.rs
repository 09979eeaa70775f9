//! Outcomes of commands: what was owed is settled, and what came with it is kept.

use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{Action, Command, CommandId, Outcome};
use tandem_sdk::secret::{Secret, SecretRole};

use super::answer::Done;
use super::persist;
use super::run::Writer;
use super::work::Pending;
use crate::interactions::{Input, Interaction, Owner};
use crate::record::RecordError;
use crate::store::{SecretName, SubjectId as StoredSubject};

impl Writer {
    /// Takes the outcome of a command.
    pub(super) fn take_outcome(
        &mut self,
        pending: &mut Pending,
        command: CommandId,
        result: Result<Outcome, AdapterError>,
        secrets: Vec<(SecretRole, Secret)>,
        repeated: bool,
    ) -> Result<Done, RecordError> {
        let Some(owner) = self.outbox.owner(command) else {
            return Ok(Done { interaction: None, duplicate: true });
        };
        self.outbox.settle(command);
        let mut input = Input::Outcome { command, result, repeated };
        let observed = input.take_facts();
        match owner {
            Owner::Interaction(id) => {
                let Some(mut it) = self.load(id)? else { return Ok(Done::default()) };
                let dead: Vec<CommandId> = it.dead.keys().copied().collect();
                let Some(settled) = it.fold_input(&input) else {
                    self.shelf.put_back(it);
                    return Ok(Done { interaction: Some(id), duplicate: true });
                };
                self.keep_dead(pending, &dead, &it);
                // Whoever is handed the customer's token must be told until when it works.
                let until = match (&settled.action, &input) {
                    (Action::IssueToken { .. }, Input::Outcome { result: Ok(Outcome::Issued { expires_at }), .. }) => {
                        Some(*expires_at)
                    }
                    _ => None,
                };
                self.keep_secrets(pending, persist::stored(it.subject), &settled, secrets, until)?;
                self.refer_outcome(pending, &input, &it)?;
                let made = match &input {
                    Input::Outcome {
                        result: Ok(Outcome::Placed { leg, .. } | Outcome::Opened { leg, .. }), ..
                    } => Some(leg.clone()),
                    _ => None,
                };
                self.turn(pending, it, None, input, Some(&settled), Vec::new(), Vec::new(), &[])?;
                if !observed.is_empty() {
                    self.take_facts(pending, &settled.instance, Input::Learned {}, observed, &[])?;
                }
                if let Some(leg) = made {
                    self.unpark(pending, &leg)?;
                }
                Ok(Done { interaction: Some(id), duplicate: false })
            }
            Owner::House | Owner::Nobody => {
                self.house_outcome(pending, input, observed, secrets)?;
                Ok(Done::default())
            }
        }
    }

    /// Keeps the secrets that an outcome brought, under the names that its command gives them.
    pub(super) fn keep_secrets(
        &self,
        pending: &mut Pending,
        subject: StoredSubject,
        command: &Command,
        secrets: Vec<(SecretRole, Secret)>,
        until: Option<jiff::Timestamp>,
    ) -> Result<(), RecordError> {
        for (role, secret) in secrets {
            if let Some(name) = command.keeps.get(&role).and_then(|name| SecretName::new(name)) {
                self.vault.put(&name, subject, secret.reveal().as_bytes(), until, &mut pending.rows)?;
                pending.kept.insert(name.as_str().to_owned());
            }
        }
        Ok(())
    }

    /// New legs and addresses that an outcome tells of.
    fn refer_outcome(&mut self, pending: &mut Pending, input: &Input, it: &Interaction) -> Result<(), RecordError> {
        let Input::Outcome { result: Ok(outcome), .. } = input else { return Ok(()) };
        match outcome {
            Outcome::Placed { leg, .. } | Outcome::Opened { leg, .. } => self.refer(pending, leg.id(), it.id),
            Outcome::Identified { address } => {
                if let (Some(party), Some(address)) = (it.customer.account, address.reveal()) {
                    self.remember_address(pending, party, address)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
