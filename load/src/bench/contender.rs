//! The contenders of a bench.

use super::config::{BenchConfig, EMBEDDED};
use super::figures::Path;

/// The baseline of "sold out".
pub const BARE_FIXED: &str = "bare fixed";
/// The baseline of issuing.
pub const BARE_EVALSHA: &str = "bare evalsha";
pub const FASTAPI: &str = "fastapi";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A node, with settings on top of the defaults.
    Openrun {
        engine: String,
        settings: Vec<(String, String)>,
    },
    BareFixed,
    BareEvalsha,
    /// FastAPI, redis-py and aio-pika.
    FastApi,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Contender {
    /// An engine with its defaults, or with the settings of a variant.
    pub(super) fn for_engine(engine: &str, variant: Option<&super::Variant>) -> Self {
        let name = variant.map_or_else(|| engine.to_owned(), |variant| format!("{engine}+{}", variant.name));
        let settings = variant.map(|variant| variant.settings.clone()).unwrap_or_default();
        Self { name, kind: Kind::Openrun { engine: engine.to_owned(), settings } }
    }

    pub(super) fn paths(&self) -> &'static [Path] {
        match self.kind {
            Kind::BareFixed => &[Path::SoldOut],
            Kind::BareEvalsha => &[Path::Issuing],
            Kind::Openrun { .. } | Kind::FastApi => &[Path::SoldOut, Path::Issuing],
        }
    }

    pub(super) fn needs_redis(&self) -> bool {
        self.needs_all() || self.kind == Kind::BareEvalsha
    }

    /// Whether Redis, RabbitMQ and PostgreSQL are needed.
    pub(super) fn needs_all(&self) -> bool {
        match &self.kind {
            Kind::Openrun { engine, .. } => engine != EMBEDDED,
            Kind::FastApi => true,
            Kind::BareFixed | Kind::BareEvalsha => false,
        }
    }
}

/// All contenders, in the order of the first round.
pub(super) fn list(config: &BenchConfig) -> Vec<Contender> {
    let bare = |name: &str, kind| Contender { name: name.to_owned(), kind };
    let mut all = vec![bare(BARE_FIXED, Kind::BareFixed), bare(BARE_EVALSHA, Kind::BareEvalsha)];
    for engine in &config.engines {
        all.push(Contender::for_engine(engine, None));
        all.extend(config.variants.iter().map(|variant| Contender::for_engine(engine, Some(variant))));
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
        let names: Vec<String> = list(&config).into_iter().map(|contender| contender.name).collect();
        let expected =
            [BARE_FIXED, BARE_EVALSHA, "embedded", "embedded+quiet", "redis-lua", "redis-lua+quiet", FASTAPI];
        assert_eq!(names, expected);
    }
}
