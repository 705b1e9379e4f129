//! PostgreSQL is killed, frozen, read-only, out of connections, or out of disk space.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Done, Trouble};
use crate::chaos::testbed::{DATABASE, DATABASE_CONNECTIONS_MAX, TestBed};

pub(super) async fn killed(testbed: &mut TestBed) -> Done {
    testbed.postgres.kill();
    testbed.sleep_between(0, 3_000).await;
    testbed.postgres.restart().await;
    Ok(())
}

pub(super) async fn frozen(testbed: &mut TestBed) -> Done {
    testbed.postgres.pause();
    testbed.sleep_between(500, 8_000).await;
    testbed.postgres.resume();
    Ok(())
}

pub(super) async fn read_only(testbed: &mut TestBed) -> Done {
    testbed.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await?;
    testbed.sql("postgres", "SELECT pg_reload_conf()").await?;
    testbed.sleep_between(1_000, 5_000).await;
    testbed.sql("postgres", "ALTER SYSTEM RESET default_transaction_read_only").await?;
    testbed.sql("postgres", "SELECT pg_reload_conf()").await?;
    Ok(())
}

/// Takes every connection, and terminates those of the nodes.
pub(super) async fn no_connections(testbed: &mut TestBed) -> Done {
    const TERMINATE: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE usename = 'openrun' AND application_name <> 'greedy'";
    let deadline = Instant::now() + testbed.rng.between(Duration::from_secs(1), Duration::from_secs(5));
    let mut taken = Vec::new();
    while Instant::now() < deadline {
        while taken.len() < DATABASE_CONNECTIONS_MAX
            && let Some(connection) = take_connection(testbed.postgres.port()).await
        {
            taken.push(connection);
        }
        testbed.sql("postgres", TERMINATE).await?;
    }
    Ok(())
}

/// Opens an idle connection; `None` if there is none left.
async fn take_connection(port: u16) -> Option<TcpStream> {
    // Start-up message: protocol 3.0, user and database. The length includes itself.
    let mut startup = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", DATABASE, "database", DATABASE, "application_name", "greedy", ""] {
        startup.extend(text.as_bytes());
        startup.push(0);
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let length = u32::try_from(startup.len() + 4).ok()?;
    stream.write_all(&length.to_be_bytes()).await.ok()?;
    stream.write_all(&startup).await.ok()?;
    // 'R': authenticated. 'E': an error, such as "too many clients".
    (stream.read_u8().await.ok()? == b'R').then_some(stream)
}

pub(super) async fn disk_full(testbed: &mut TestBed) -> Done {
    let disk = testbed.disk.as_ref().map_err(|why| Trouble::Skipped(why.clone()))?;
    disk.fill()?;
    testbed.sleep_between(2_000, 5_000).await;
    Ok(testbed.disk.as_ref().map_err(|why| Trouble::Skipped(why.clone()))?.clear()?)
}
