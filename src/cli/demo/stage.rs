//! Where the demo plays: a node with one fresh coupon, and a folder that goes away afterwards.

use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::bootstrap::{self, Migration, Node};
use crate::cli::api_client::ApiClient;
use crate::cli::args::DemoArgs;
use crate::cli::failure::Failure;
use crate::domain::CouponId;

/// A node that serves, and the coupon that will be raced for.
pub(super) struct Stage {
    pub(super) node: Node,
    pub(super) coupon: CouponId,
    /// Removed when the demo ends; absent if the data goes to a directory that was asked for.
    _temporary: Option<TempDir>,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let (data_dir, temporary) = match &args.common.data_dir {
            Some(data_dir) => (data_dir.clone(), None),
            None => {
                let temporary = TempDir::with_prefix("openrun-demo-").map_err(|error| {
                    Failure::operator(format!("no temporary folder can be made: {error}"))
                })?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let settings = args.common.settings(args.bind, data_dir)?;
        if let Some(database) = settings.database_url() {
            bootstrap::migrate(&Migration::Postgres(database.clone())).await?;
        }
        let node = Node::start(settings).await?;
        let coupon = fresh_id()?;
        let client = ApiClient::new(&format!("http://{}", node.address), args.common.admin_token.clone())?;
        let wanted = serde_json::json!({
            "id": coupon.as_str(), "name": "The demo's coupon", "discount": "100% fun", "total": args.stock,
        });
        client.post("/v1/coupons", Some(&wanted)).await?;
        Ok(Self { node, coupon, _temporary: temporary })
    }

    /// Stops the node and removes what was temporary.
    pub(super) async fn strike(self) {
        self.node.stop().await;
    }
}

/// Demos may share a database: each has a coupon of its own.
fn fresh_id() -> Result<CouponId, Failure> {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    CouponId::parse(&format!("demo-{ms}")).map_err(Failure::operator)
}
