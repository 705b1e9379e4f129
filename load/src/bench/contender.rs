//! Who takes part.

use super::config::{BenchConfig, EMBEDDED};
use super::figures::Path;

/// The bare handler that "sold out" is compared with.
pub const BARE_FIXED: &str = "bare fixed";
/// The bare handler that issuing is compared with.
pub const BARE_EVALSHA: &str = "bare evalsha";
/// The stack of the peers.
pub const FASTAPI: &str = "fastapi";

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A node, with settings on top of the defaults.
    Openrun { engine: String, settings: Vec<(String, String)> },
    /// Says the same to everybody.
    BareFixed,
    /// One EVALSHA a request.
    BareEvalsha,
    /// FastAPI, redis-py and aio-pika.
    FastApi,
}

/// One who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Contender {
    /// An engine as it is by default, or in a variant.
    pub(super) fn engine(engine: &str, variant: Option<&super::Variant>) -> Self {
        let name = variant.map_or_else(|| engine.to_owned(), |variant| format!("{engine}+{}", variant.name));
        let settings = variant.map(|variant| variant.settings.clone()).unwrap_or_default();
        Self { name, kind: Kind::Openrun { engine: engine.to_owned(), settings } }
    }

    /// What it can be measured at.
    pub(super) fn paths(&self) -> &'static [Path] {
        match self.kind {
            Kind::BareFixed => &[Path::SoldOut],
            Kind::BareEvalsha => &[Path::Issuing],
            Kind::Openrun { .. } | Kind::FastApi => &[Path::SoldOut, Path::Issuing],
        }
    }

    /// Whether Redis has to be there.
    pub(super) fn needs_redis(&self) -> bool {
        self.needs_all() || self.kind == Kind::BareEvalsha
    }

    /// Whether Redis, RabbitMQ and PostgreSQL have to be there.
    pub(super) fn needs_all(&self) -> bool {
        match &self.kind {
            Kind::Openrun { engine, .. } => engine != EMBEDDED,
            Kind::FastApi => true,
            Kind::BareFixed | Kind::BareEvalsha => false,
        }
    }
}

/// Everybody, in the order of the first round.
pub(super) fn all(config: &BenchConfig) -> Vec<Contender> {
    let bare = |name: &str, kind| Contender { name: name.to_owned(), kind };
    let mut all = vec![bare(BARE_FIXED, Kind::BareFixed), bare(BARE_EVALSHA, Kind::BareEvalsha)];
    for engine in &config.engines {
        all.push(Contender::engine(engine, None));
        all.extend(config.variants.iter().map(|variant| Contender::engine(engine, Some(variant))));
    }
    if config.peers {
        all.push(bare(FASTAPI, Kind::FastApi));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_takes_part_in_every_variant() {
        let mut config = BenchConfig::new("openrun".into(), "openrun-load".into());
        config.engines = vec!["embedded".to_owned(), "redis-lua".to_owned()];
        config.variants = vec!["quiet:OPENRUN_LOG=off".parse().unwrap()];
        config.peers = true;
        let names: Vec<String> = all(&config).into_iter().map(|contender| contender.name).collect();
        let expected =
            [BARE_FIXED, BARE_EVALSHA, "embedded", "embedded+quiet", "redis-lua", "redis-lua+quiet", FASTAPI];
        assert_eq!(names, expected);
    }
}
