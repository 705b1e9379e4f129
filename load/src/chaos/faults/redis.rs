//! Redis is killed, frozen, and comes back with less than it had, or as another one.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Done, Trouble};
use crate::chaos::arena::Arena;

/// Where Redis keeps the files that it appends to.
const APPENDED: &str = "appendonlydir";
const SYNC_BOUND: Duration = Duration::from_secs(30);

pub(super) async fn killed(arena: &mut Arena) -> Done {
    arena.redis.kill();
    arena.linger(0, 1_500).await;
    arena.redis.restart().await;
    Ok(())
}

pub(super) async fn frozen(arena: &mut Arena) -> Done {
    arena.redis.pause();
    arena.linger(500, 6_000).await;
    arena.redis.resume();
    Ok(())
}

pub(super) async fn power_lost(arena: &mut Arena) -> Done {
    arena.redis.kill();
    lose_unsynced(arena)?;
    arena.linger(0, 1_000).await;
    arena.redis.restart().await;
    Ok(())
}

/// Takes from a killed Redis what it had not synced.
pub(super) fn lose_unsynced(arena: &Arena) -> Done {
    match &arena.synced {
        Err(why) => Err(Trouble::Skipped(why.clone())),
        Ok(synced) => Ok(synced.lose_unsynced(&arena.redis.data()).map(drop)?),
    }
}

pub(super) async fn flushed(arena: &mut Arena) -> Done {
    arena.redis_says(&["FLUSHALL"]).await?;
    Ok(())
}

pub(super) async fn emptied(arena: &mut Arena) -> Done {
    arena.redis.wipe();
    arena.linger(0, 500).await;
    arena.redis.restart().await;
    Ok(())
}

pub(super) async fn rolled_back(arena: &mut Arena) -> Done {
    let copies = tempfile::tempdir()?;
    let (live, copy) = (arena.redis.data().join(APPENDED), copies.path().join(APPENDED));
    copy_folder(&live, &copy)?;
    arena.linger(1_000, 4_000).await;
    arena.redis.kill();
    fs::remove_dir_all(&live)?;
    copy_folder(&copy, &live)?;
    arena.redis.restart().await;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

pub(super) async fn failed_over(arena: &mut Arena) -> Done {
    let primary = arena.redis.port().to_string();
    // Told, and not by an argument: started again later, it must remain the primary that it has become.
    let replica = arena.another_redis(&[]).await;
    let port = replica.port().to_string();
    redis(&port, &["REPLICAOF", "127.0.0.1", &primary]).await?;
    let deadline = Instant::now() + SYNC_BOUND;
    while !redis(&port, &["INFO", "replication"]).await?.contains("master_link_status:up") {
        if Instant::now() >= deadline {
            return Err(Trouble::Failed("the replica did not catch up".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    arena.linger(500, 2_000).await;
    arena.redis.kill();
    arena.linger(0, 1_000).await;
    redis(&port, &["REPLICAOF", "NO", "ONE"]).await?;
    arena.replace_redis(replica);
    Ok(())
}

async fn redis(port: &str, words: &[&str]) -> Result<String, String> {
    let mut command = std::process::Command::new("redis-cli");
    command.args(["-e", "-p", port]).args(words);
    crate::chaos::command::output(command).await
}
