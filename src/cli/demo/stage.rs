//! The node of the demo with its coupon, and the temporary folder of its data.

use tempfile::TempDir;

use crate::bootstrap::{self, Migration, Node};
use crate::cli::api_client::ApiClient;
use crate::cli::args::DemoArgs;
use crate::cli::failure::Failure;
use crate::clock;
use crate::domain::CouponId;

pub(super) struct Stage {
    pub(super) node: Node,
    pub(super) coupon: CouponId,
    /// Removed on drop. Absent if the operator chose a data directory.
    _temporary: Option<TempDir>,
}

impl Stage {
    pub(super) async fn prepare(args: &DemoArgs) -> Result<Self, Failure> {
        let (data_dir, temporary) = match &args.common.data_dir {
            Some(data_dir) => (data_dir.clone(), None),
            None => {
                let temporary = TempDir::with_prefix("openrun-demo-").map_err(|error| {
                    Failure::operator(format!("cannot create a temporary folder: {error}"))
                })?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let settings = args.common.settings(args.bind, data_dir)?;
        if let Some(database) = settings.database_url() {
            bootstrap::migrate(&Migration::Postgres(database.clone())).await?;
        }
        let node = Node::start(settings).await?;
        let coupon = unique_id()?;
        let client = ApiClient::new(&format!("http://{}", node.address), args.common.admin_token.clone())?;
        let body = serde_json::json!({
            "id": coupon.as_str(), "name": "The demo's coupon", "discount": "100% fun", "total": args.stock,
        });
        client.post("/v1/coupons", Some(&body)).await?;
        Ok(Self { node, coupon, _temporary: temporary })
    }

    /// Stops the node and removes the temporary folder.
    pub(super) async fn stop(self) {
        self.node.stop().await;
    }
}

/// An id that no other demo on the same database uses.
fn unique_id() -> Result<CouponId, Failure> {
    CouponId::parse(&format!("demo-{}", clock::now().as_ms())).map_err(Failure::operator)
}
