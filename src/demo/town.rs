//! The town: folders, ports, secrets and config files of one demo.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tandem_sdk::sim::{Authority, SimError};

/// The Connect instance.
const INSTANCE: &str = "00000000-0000-4000-8000-000000000001";
/// The flow that takes contacts.
const FLOW: &str = "00000000-0000-4000-8000-00000000f10f";
/// Where ordinary interactions wait.
pub(super) const GENERAL: &str = "00000000-0000-4000-8000-000000000002";
/// Where gold customers wait.
pub(super) const PRIORITY: &str = "00000000-0000-4000-8000-000000000003";
/// The ACS resource.
const RESOURCE: &str = "1a7de350-0000-4000-8000-0000000000ac";
/// The hub as a user of that resource.
pub(super) const HUB_USER: &str = "00000000-0000-0000-0000-00000000a0b0";
/// The topic of chat streaming.
pub(super) const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:tandem-chat";
/// How much faster than documented the simulators' long durations pass.
const TIME_SCALE: f64 = 20.0;

/// The same for Connect where the hub is killed again and again: of the five minutes in which a customer has to connect,
/// or the flow never starts, a hub that is gone half of the time needs more than fifteen seconds.
const TIME_SCALE_OF_KILLED: f64 = 4.0;

/// Folders, ports and addresses.
pub(super) struct Town {
    /// Everything is in here.
    pub(super) folder: PathBuf,
    /// Trusts whom everybody here trusts.
    pub(super) authority: Authority,
    pub(super) hub: SocketAddr,
    pub(super) acs: SocketAddr,
    pub(super) connect: SocketAddr,
    pub(super) cdp: SocketAddr,
}

/// Which limits the simulated clouds have, and the hub keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// The documented ones.
    Documented,
    /// A thousand times those, as of an account for which the vendors raised them.
    Raised,
}

/// What a town is made for.
pub(super) struct Plan<'a> {
    pub(super) folder: PathBuf,
    pub(super) mappings: &'a Path,
    pub(super) flow: &'a Path,
    pub(super) listen: Option<SocketAddr>,
    pub(super) journeys: usize,
    /// Faults are drawn from this; none without it.
    pub(super) seed: Option<u64>,
    pub(super) rate: f64,
    /// Whether messages wait for stragglers, longer than any of them is late.
    pub(super) holds: bool,
    /// Whether the hub is killed on the way.
    pub(super) is_killed: bool,
    pub(super) limits: Limits,
}

/// Why a town cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum TownError {
    /// Files and ports.
    #[error("the demo's folder or ports: {0}")]
    Io(#[from] std::io::Error),
    /// Certificates.
    #[error(transparent)]
    Sim(#[from] SimError),
}

impl Town {
    /// Writes every file.
    pub(super) fn lay_out(plan: &Plan<'_>) -> Result<Town, TownError> {
        let folder = plan.folder.clone();
        std::fs::create_dir_all(&folder)?;
        let authority = Authority::open(&folder.join("ca"))?;
        let (certificate, key) = authority.issue_pem(&["localhost", "127.0.0.1"])?;
        let ports = free_ports(4)?;
        let town = Town {
            hub: plan.listen.unwrap_or(ports[0]),
            acs: ports[1],
            connect: ports[2],
            cdp: ports[3],
            folder,
            authority,
        };
        for (file, text) in [
            ("hub.pem", certificate),
            ("hub.key", key),
            ("id.key", secret("id", plan)),
            ("master.key", secret("master", plan)),
            ("acs.key", ACS_KEY.to_owned()),
            ("hook.key", secret("hook", plan)),
            ("eventbridge.key", secret("eventbridge", plan)),
            ("connect.id", "AKIATANDEMDEMO000000".to_owned()),
            ("connect.key", secret("connect", plan)),
            ("cdp.key", secret("cdp", plan)),
            ("rules.toml", rules()),
            ("profiles.toml", PROFILES.to_owned()),
            ("acs.toml", town.acs_settings(plan)),
            ("connect.toml", town.connect_settings(plan)),
            ("cdp.toml", town.cdp_settings(plan)),
            ("tandem.toml", town.config(plan)),
        ] {
            std::fs::write(town.folder.join(file), text)?;
        }
        Ok(town)
    }

    fn acs_settings(&self, plan: &Plan<'_>) -> String {
        let (hub, secret) = (self.hub, secret("hook", plan));
        format!(
            "listen = \"{}\"\nca = \"{}\"\nresource = \"tandem-demo\"\nresource_id = \"{RESOURCE}\"\n\
             access_key = \"{ACS_KEY}\"\nidentities = [\"{}\"]\ntime_scale = {TIME_SCALE}\npage_size = 50\nhold_ms = 1500\n\
             limits = {}\n{}\n\
             [[subscriptions]]\nname = \"tandem\"\nurl = \"https://{hub}/hooks/acs/events?code={secret}\"\n\
             schema = \"eventgrid\"\nmax_events_per_batch = 5\n\
             [[subscriptions]]\nname = \"tandem-twin\"\nurl = \"https://{hub}/hooks/acs/events?code={secret}\"\n\
             schema = \"cloudevents\"\nfamilies = [\"user\"]\n{}",
            self.acs,
            self.folder.join("ca").display(),
            hub_address(),
            match plan.limits {
                Limits::Documented => "\"documented\"",
                Limits::Raised => "{ raised = 1000.0 }",
            },
            plan.seed.map(|seed| format!("seed = {seed}")).unwrap_or_default(),
            rates(plan),
        )
    }

    fn connect_settings(&self, plan: &Plan<'_>) -> String {
        let hub = self.hub;
        let scale = if plan.is_killed { TIME_SCALE_OF_KILLED } else { TIME_SCALE };
        let mut agents = String::new();
        for journey in 0..plan.journeys {
            for second in [false, true] {
                let (id, first) = (agent(journey, second), if second { "Grace" } else { "Ada" });
                agents.push_str(&format!(
                    "[[agents]]\nuser_id = \"{id}\"\nusername = \"agent-{journey}-{second}\"\nfirst_name = \"{first}\"\n\
                     last_name = \"Agent {journey}\"\nqueues = [\"general\", \"priority\"]\nmax_chats = 10\n"
                ));
            }
        }
        format!(
            "listen = \"{}\"\nca = \"{}\"\nregion = \"eu-central-1\"\ninstance_id = \"{INSTANCE}\"\n\
             access_key_id = \"AKIATANDEMDEMO000000\"\nsecret_access_key = \"{}\"\ntime_scale = {scale}\nhold_ms = 1500\n\
             limits = \"{}\"\n{}\n\
             [flows]\n\"{FLOW}\" = \"{}\"\n\
             [[queues]]\nid = \"{GENERAL}\"\nname = \"general\"\n\
             [[queues]]\nid = \"{PRIORITY}\"\nname = \"priority\"\n{agents}\
             [eventbridge]\nurl = \"https://{hub}/hooks/connect/contacts\"\n\
             [eventbridge.authorization.api_key]\nheader = \"x-api-key\"\nvalue = \"{}\"\n\
             [sns]\ntopics = [\"{TOPIC}\"]\nendpoint = \"https://{hub}/hooks/connect/chat\"\nsignature_version = 2\n{}",
            self.connect,
            self.folder.join("ca").display(),
            secret("connect", plan),
            match plan.limits {
                Limits::Documented => "documented",
                Limits::Raised => "raised",
            },
            plan.seed.map(|seed| format!("seed = {}", seed.wrapping_add(1))).unwrap_or_default(),
            plan.flow.display(),
            secret("eventbridge", plan),
            rates(plan),
        )
    }

    fn cdp_settings(&self, plan: &Plan<'_>) -> String {
        format!(
            "listen = \"{}\"\nauthority = \"{}\"\nclient_secret = \"{}\"\nprofiles = \"{}\"\nhold_ms = 1500\n{}\n{}",
            self.cdp,
            self.folder.join("ca").display(),
            secret("cdp", plan),
            self.folder.join("profiles.toml").display(),
            plan.seed.map(|seed| format!("seed = {}", seed.wrapping_add(2))).unwrap_or_default(),
            rates(plan),
        )
    }

    fn config(&self, plan: &Plan<'_>) -> String {
        let (hub, acs, connect, cdp) = (self.hub, self.acs, self.connect, self.cdp);
        let (mappings, hub_address) = (plan.mappings.display(), hub_address());
        // SNS tries again after 20 s, which is one second here, Event Grid after half a second; a reordered event is
        // held for less.
        let hold = if plan.holds { "2s" } else { "0s" };
        let raised = match plan.limits {
            Limits::Documented => "",
            Limits::Raised => "raised = { acs = 1000.0, connect = 1000.0 }",
        };
        format!(
            r#"# Written by `tandem demo`. Everything here is made up and listens on loopback only.
rules = "rules.toml"
mappings = "{mappings}"

[listen]
address = "{hub}"
tls = {{ certificate = "hub.pem", key = "hub.key" }}

[secrets]
id_key = "file:id.key"
master_keys = ["file:master.key"]

[network]
trust = ["ca/ca.pem"]
resolve = {{ "sns.eu-central-1.amazonaws.com" = "{connect}" }}

[journey]
customer = "acs"
overdue = "2s"
overdue_most = "10s"
patience = "10m"
grace = "1500ms"
hold = "{hold}"
silence = "10s"
park = "1s"
command_life = "2m"
attributes = ["order"]

[dispatch]
timeout = "1s"
attempts = 20
backoff = {{ first = "100ms", factor = 2.0, cap = "2s", jitter = 0.5 }}
{raised}

[adapters.acs]
kind = "azure-communication"

[adapters.acs.settings]
endpoint = "https://{acs}"
access_key = "file:acs.key"
resource = "tandem-demo"
hub_address = "{hub_address}"
request_timeout = "900ms"

[adapters.acs.settings.event_grid]
subscriptions = ["tandem", "tandem-twin"]
query = {{ name = "code", secrets = ["file:hook.key"] }}

[adapters.connect]
kind = "amazon-connect"

[adapters.connect.settings]
region = "eu-central-1"
instance_id = "{INSTANCE}"
credentials = {{ access_key_id = "file:connect.id", secret_access_key = "file:connect.key" }}
endpoints = {{ connect = "https://{connect}", participant = "https://{connect}" }}
timeouts = {{ connect = "500ms", call = "900ms" }}

[adapters.connect.settings.eventbridge.api_key]
header = "x-api-key"
secrets = ["file:eventbridge.key"]

[adapters.connect.settings.sns]
topics = ["{TOPIC}"]

[adapters.cdp]
kind = "cdp-http"

[adapters.cdp.settings]
url = "https://{cdp}/v1/profiles"

[[adapters.cdp.settings.identities]]
kind = "customer"
parameter = "customer"

[adapters.cdp.settings.oauth]
token_url = "https://{cdp}/oauth2/token"
client_id = "tandem"
client_secret = "file:cdp.key"
"#
        )
    }
}

/// The access key of the ACS resource, base64.
const ACS_KEY: &str = "dGhlIGFjY2VzcyBrZXkgb2YgYSBkZW1vLCBrZXB0IG5vd2hlcmU=";

/// Whom the CDP knows.
const PROFILES: &str = r#"
[[profiles]]
identities = { customer = "C-1001" }
document = { id = "p-1001", name = "Jane Doe", tier = "gold" }
"#;

fn rules() -> String {
    let arn = |queue: &str| format!("arn:aws:connect:eu-central-1:111122223333:instance/{INSTANCE}/queue/{queue}");
    format!(
        "default = \"general\"\n\
         [[rules]]\nname = \"gold customers\"\nwhen = 'profile.tier == \"gold\"'\ntarget = \"priority\"\n\
         [targets.general]\ninstance = \"connect\"\nflow = \"{FLOW}\"\nqueue = \"{}\"\nqueue_attribute = \"tandem_queue\"\n\
         [targets.priority]\ninstance = \"connect\"\nflow = \"{FLOW}\"\nqueue = \"{}\"\nqueue_attribute = \"tandem_queue\"\n\
         priority = 1\nfallback = \"general\"\n",
        arn(GENERAL),
        arn(PRIORITY),
    )
}

fn rates(plan: &Plan<'_>) -> String {
    let rate = plan.rate;
    if plan.seed.is_none() {
        return String::new();
    }
    // Only contact events may be lost, a dozen of a journey: at the rate of the others none would be in most seeds.
    let drop = (rate * 2.5).min(1.0);
    format!(
        "[rates]\nduplicate = {rate}\nreorder = {rate}\ndelay = {rate}\ndrop = {drop}\nthrottle = {rate}\n\
         server_error = {rate}\ntimeout = {rate}\nunknown_outcome = {rate}\ndelay_min_ms = 20\ndelay_max_ms = 300\n"
    )
}

/// The hub's own identity in ACS.
fn hub_address() -> String {
    format!("8:acs:{RESOURCE}_{HUB_USER}")
}

/// The agents of a journey.
pub(super) fn agent(journey: usize, second: bool) -> String {
    format!("00000000-0000-4000-9000-{:012}", journey * 2 + usize::from(second))
}

/// A secret of the demo: derived, so that a demo that is started again finds its own data.
fn secret(name: &str, plan: &Plan<'_>) -> String {
    let id = tandem_sdk::model::Derive::entity("demo").part(name).number(plan.seed.unwrap_or(0)).uuid();
    format!("{}{}", id.simple(), id.simple())
}

fn free_ports(count: usize) -> std::io::Result<Vec<SocketAddr>> {
    // All are held at once, so that no two are the same.
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<Vec<_>>>()?;
    held.iter().map(TcpListener::local_addr).collect()
}
