//! Other grids on Kafka and Valkey, and users for contacts with access to one's own grid.
//!
//! This module owns what a contact gets: a user of its own if the owner may create users, the
//! shared one otherwise; both with exactly the rights in the one table of rights. Its callers
//! decide who gets access.

use std::sync::Arc;

use base64::Engine;
use kirc_core::identity::Address;
use kirc_core::node::Home;
use kirc_core::port::{Grant, PortError};
use serde_json::Value;

use super::{Way, kafka, valkey};
use crate::config::{Config, Secret};
use crate::mailbox::{Admin, KafkaMailbox, KafkaSettings, Mechanism};
use crate::ports::Pending;
use crate::remote_grids::{Abroad, Foreign};
use crate::setup::rights;
use crate::signals::{ValkeySettings, ValkeySignals};

/// Rounds of PBKDF2 for a password (RFC 5802): it is random and long, so Kafka's least is enough.
pub(crate) const ROUNDS: i32 = 4_096;

/// What is said to who gives its own login to Valkey away.
const LENT: &str = "KIRC_VALKEY_PEER is not set, so your own login to Valkey goes with this. It does not end when you remove the contact";

/// Grids of real services.
#[derive(Debug)]
pub struct RealAbroad {
    /// As whom users are made, if that is allowed.
    admin: Option<KafkaSettings>,
    /// What contacts share, if there is such a user, or if nobody logs in here.
    peer: Option<KafkaSettings>,
    valkey: ValkeySettings,
    /// That is one's own login: what the user is told when it is given away.
    lends: bool,
    home: Home,
    address: Address,
    /// Bytes a second that may be moved each way on each cluster; 0: no limit.
    budget: u64,
}

impl RealAbroad {
    /// From the settings of the home grid.
    pub fn new(config: &Config, home: Home, address: Address) -> Result<Self, PortError> {
        let settings = &config.settings;
        let own = kafka::owner(config)?;
        let open = own.user.is_empty() && own.cert.is_empty();
        let peer = if open { Some(own) } else { kafka::peer(config)? };
        let admin = settings.kafka_admin_user.is_some().then(|| kafka::admin(config)).transpose()?;
        let mut valkey = valkey(config)?;
        if let Some(url) = &settings.valkey_peer {
            valkey.url = url.clone();
        }
        let lends = super::lends_valkey(config);
        Ok(Self { admin, peer, valkey, lends, home, address, budget: settings.budget })
    }

    /// How members reach the mailbox.
    pub fn peer_way(&self) -> Option<Value> {
        self.peer.as_ref().map(|peer| Way::mailbox(peer).to_value())
    }
}

impl Abroad for RealAbroad {
    fn open(&self, cluster: &str, way: &Value) -> Result<Foreign, PortError> {
        let way = Way::parse(way)?;
        let budget = (self.budget > 0).then_some(self.budget);
        let settings = KafkaSettings { budget, ..way.kafka()? };
        let mailbox = Arc::new(KafkaMailbox::open(settings, cluster.to_owned())?);
        // Its owner keeps it awake.
        let mailbox = super::paced(mailbox, self.budget, None);
        let signals = match way.valkey() {
            Some(settings) => {
                let (signals, published) = ValkeySignals::open(&settings)?;
                Some((Arc::new(signals) as Arc<_>, published))
            }
            None => None,
        };
        Ok(Foreign { mailbox, signals })
    }

    fn grant(&self, name: &str) -> Pending<Grant> {
        let note = self.lends.then(|| LENT.to_owned());
        let (admin, peer, valkey) = (self.admin.clone(), self.peer.clone(), self.valkey.clone());
        let (name, log) = (name.to_owned(), self.home.log.clone());
        let acls = rights::of_peer(&name, &self.address, &self.home.log);
        Box::pin(async move {
            if let Some(admin) = admin {
                let password = random_password()?;
                let hand = Admin::open(admin.clone())?;
                hand.set_scram_user(&name, &password, Mechanism::ScramSha512, ROUNDS).await?;
                hand.create_acls(&acls).await?;
                let mechanism = Mechanism::ScramSha512;
                let user = KafkaSettings { user: name, password, mechanism, ..admin };
                return Ok(Grant { way: Way::grid(&user, &valkey, &log).to_value(), own: true, note });
            }
            let Some(peer) = peer else {
                let text = "there is no user for contacts: set KIRC_KAFKA_PEER_USER and its password (kirc setup infra gives \
                            it its rights), or KIRC_KAFKA_ADMIN_USER to make one for each";
                return Err(PortError(text.to_owned()));
            };
            Ok(Grant { way: Way::grid(&peer, &valkey, &log).to_value(), own: false, note })
        })
    }

    fn revoke(&self, name: &str) -> Pending<()> {
        let (admin, name) = (self.admin.clone(), name.to_owned());
        let acls = rights::of_peer(&name, &self.address, &self.home.log);
        Box::pin(async move {
            let Some(admin) = admin else {
                return Err(PortError(format!(
                    "KIRC_KAFKA_ADMIN_USER is not set, so {name} could not be taken away"
                )));
            };
            let hand = Admin::open(admin)?;
            // The rights first: they end at once, also for connections that stand.
            hand.delete_acls(&acls).await?;
            hand.delete_scram_user(&name, Mechanism::ScramSha512).await.map(drop)
        })
    }
}

/// 192 random bits.
pub(crate) fn random_password() -> Result<Secret, PortError> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 24]);
    getrandom::fill(bytes.as_mut())
        .map_err(|e| PortError(format!("the system gives no random numbers: {e}")))?;
    Ok(Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}
