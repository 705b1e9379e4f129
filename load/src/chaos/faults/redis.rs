//! Redis is killed, frozen, restarted with fewer data, or replaced.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Done, Trouble};
use crate::chaos::testbed::TestBed;

/// Folder of Redis's append-only files.
const APPENDED: &str = "appendonlydir";
const SYNC_BOUND: Duration = Duration::from_secs(30);

pub(super) async fn killed(testbed: &mut TestBed) -> Done {
    testbed.redis.kill();
    testbed.sleep_between(0, 1_500).await;
    testbed.redis.restart().await;
    Ok(())
}

pub(super) async fn frozen(testbed: &mut TestBed) -> Done {
    testbed.redis.pause();
    testbed.sleep_between(500, 6_000).await;
    testbed.redis.resume();
    Ok(())
}

pub(super) async fn power_lost(testbed: &mut TestBed) -> Done {
    testbed.redis.kill();
    lose_unsynced(testbed)?;
    testbed.sleep_between(0, 1_000).await;
    testbed.redis.restart().await;
    Ok(())
}

/// Removes the unsynced writes from the files of a killed Redis.
pub(super) fn lose_unsynced(testbed: &TestBed) -> Done {
    match &testbed.synced {
        Err(why) => Err(Trouble::Skipped(why.clone())),
        Ok(synced) => Ok(synced.lose_unsynced(&testbed.redis.data()).map(drop)?),
    }
}

pub(super) async fn flushed(testbed: &mut TestBed) -> Done {
    testbed.redis_cli(&["FLUSHALL"]).await?;
    Ok(())
}

pub(super) async fn emptied(testbed: &mut TestBed) -> Done {
    testbed.redis.wipe();
    testbed.sleep_between(0, 500).await;
    testbed.redis.restart().await;
    Ok(())
}

pub(super) async fn rolled_back(testbed: &mut TestBed) -> Done {
    let copies = tempfile::tempdir()?;
    let (live, copy) = (testbed.redis.data().join(APPENDED), copies.path().join(APPENDED));
    copy_folder(&live, &copy)?;
    testbed.sleep_between(1_000, 4_000).await;
    testbed.redis.kill();
    fs::remove_dir_all(&live)?;
    copy_folder(&copy, &live)?;
    testbed.redis.restart().await;
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

pub(super) async fn failed_over(testbed: &mut TestBed) -> Done {
    let primary = testbed.redis.port().to_string();
    // By a command and not by an argument: after a restart it must stay the primary that it has become.
    let replica = testbed.another_redis(&[]).await;
    let port = replica.port().to_string();
    redis(&port, &["REPLICAOF", "127.0.0.1", &primary]).await?;
    let deadline = Instant::now() + SYNC_BOUND;
    while !redis(&port, &["INFO", "replication"]).await?.contains("master_link_status:up") {
        if Instant::now() >= deadline {
            return Err(Trouble::Failed("the replica did not catch up".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    testbed.sleep_between(500, 2_000).await;
    testbed.redis.kill();
    testbed.sleep_between(0, 1_000).await;
    redis(&port, &["REPLICAOF", "NO", "ONE"]).await?;
    testbed.replace_redis(replica);
    Ok(())
}

async fn redis(port: &str, command_words: &[&str]) -> Result<String, String> {
    let mut command = std::process::Command::new("redis-cli");
    command.args(["-e", "-p", port]).args(command_words);
    crate::chaos::command::output(command).await
}
