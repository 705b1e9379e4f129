//! `openrun serve` with an unusable data directory or address: one line with the remedy, and exit code 2.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use tempfile::TempDir;

use crate::arrange::Engine;
use crate::program::{Ended, run};

const ANYWHERE: (&str, &str) = ("OPENRUN_BIND", "127.0.0.1:0");

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

async fn serve_in(data_dir: &Path) -> Ended {
    let data_dir = data_dir.to_str().expect("the path is text");
    run(&["serve"], &[ANYWHERE, ("OPENRUN_DATA_DIR", data_dir)]).await
}

#[tokio::test]
async fn a_port_in_use() {
    let (folder, listener) = (folder(), TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let address = listener.local_addr().expect("an address").to_string();
    let data_dir = folder.path().to_str().expect("the path is text");
    let ended = run(&["serve"], &[("OPENRUN_BIND", &address), ("OPENRUN_DATA_DIR", data_dir)]).await;
    let line = ended.one_line(2);
    assert!(line.contains(&address) && line.contains("OPENRUN_BIND"), "{line}");
}

#[tokio::test]
async fn a_directory_that_is_not_writable() {
    // Not even root can create files here.
    let line = serve_in(Path::new("/proc/openrun-data")).await.one_line(2);
    assert!(line.contains("/proc/openrun-data") && line.contains("data directory"), "{line}");
}

#[tokio::test]
async fn a_directory_that_is_a_file() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "not a directory").expect("the file can be written");
    for path in [file.clone(), file.join("below")] {
        let line = serve_in(&path).await.one_line(2);
        assert!(line.contains("data directory"), "{line}");
    }
    assert_eq!(fs::read_to_string(&file).expect("the file exists"), "not a directory");
}

#[tokio::test]
async fn a_file_that_is_not_a_database() {
    for garbage in [b"this is not a database, and long enough to look like one".repeat(200), vec![0; 8192]] {
        let folder = folder();
        let file = folder.path().join("openrun.sqlite");
        fs::write(&file, &garbage).expect("the file can be written");
        let ended = serve_in(folder.path()).await;
        let line = ended.one_line(2);
        assert!(line.contains("openrun.sqlite"), "{line}");
        assert_eq!(fs::read(&file).expect("the file exists"), garbage, "the file is unchanged");
    }
    let folder = folder();
    fs::create_dir(folder.path().join("openrun.sqlite")).expect("the directory can be created");
    assert!(serve_in(folder.path()).await.one_line(2).contains("openrun.sqlite"));
}

#[tokio::test]
async fn a_directory_that_another_node_uses() {
    let (node, api) = Engine::Embedded.node().await;
    let id = api.coupon(1).await;
    let line = serve_in(&node.data_dir()).await.one_line(2);
    assert!(line.contains("in use by another openrun"), "{line}");
    api.ask(&id, "kim").await.json(201);
}

#[tokio::test]
async fn an_unknown_role() {
    for roles in ["apii", "", "api,", "API", "api;publisher", "api publisher", "all"] {
        for engine in ["embedded", "redis-lua"] {
            let settings = [ANYWHERE, ("OPENRUN_ROLES", roles), ("OPENRUN_ENGINE", engine)];
            let line = run(&["serve"], &settings).await.one_line(2);
            assert!(line.contains("--roles") && line.contains("'reconciler'"), "{roles:?}: {line}");
        }
    }
}
