//! PostgreSQL is killed, frozen, read-only, without connections, or without room.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Done, Trouble};
use crate::chaos::arena::{Arena, DATABASE, DATABASE_CONNECTIONS_MAX};

pub(super) async fn killed(arena: &mut Arena) -> Done {
    arena.postgres.kill();
    arena.linger(0, 3_000).await;
    arena.postgres.restart().await;
    Ok(())
}

pub(super) async fn frozen(arena: &mut Arena) -> Done {
    arena.postgres.pause();
    arena.linger(500, 8_000).await;
    arena.postgres.resume();
    Ok(())
}

pub(super) async fn read_only(arena: &mut Arena) -> Done {
    arena.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await?;
    arena.sql("postgres", "SELECT pg_reload_conf()").await?;
    arena.linger(1_000, 5_000).await;
    arena.sql("postgres", "ALTER SYSTEM RESET default_transaction_read_only").await?;
    arena.sql("postgres", "SELECT pg_reload_conf()").await?;
    Ok(())
}

/// Others take every connection there is, and whatever the nodes had is thrown out.
pub(super) async fn no_connections(arena: &mut Arena) -> Done {
    const THROW_OUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE usename = 'openrun' AND application_name <> 'greedy'";
    let until = Instant::now() + arena.rng.between(Duration::from_secs(1), Duration::from_secs(5));
    let mut taken = Vec::new();
    while Instant::now() < until {
        while taken.len() < DATABASE_CONNECTIONS_MAX
            && let Some(connection) = take_connection(arena.postgres.port()).await
        {
            taken.push(connection);
        }
        arena.sql("postgres", THROW_OUT).await?;
    }
    Ok(())
}

/// A connection that asks nothing; `None` if there is none left.
async fn take_connection(port: u16) -> Option<TcpStream> {
    // Protocol 3.0, and who one is; the length counts itself.
    let mut greeting = 196_608_u32.to_be_bytes().to_vec();
    for word in ["user", DATABASE, "database", DATABASE, "application_name", "greedy", ""] {
        greeting.extend(word.as_bytes());
        greeting.push(0);
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let length = u32::try_from(greeting.len() + 4).ok()?;
    stream.write_all(&length.to_be_bytes()).await.ok()?;
    stream.write_all(&greeting).await.ok()?;
    // 'R': authenticated. 'E': an error, such as "too many clients".
    (stream.read_u8().await.ok()? == b'R').then_some(stream)
}

pub(super) async fn disk_full(arena: &mut Arena) -> Done {
    let disk = arena.disk.as_ref().map_err(|why| Trouble::Skipped(why.clone()))?;
    disk.fill()?;
    arena.linger(2_000, 5_000).await;
    Ok(arena.disk.as_ref().map_err(|why| Trouble::Skipped(why.clone()))?.clear()?)
}
