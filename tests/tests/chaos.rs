//! `drover-chaos` as a program. What it finds out is its own matter: `scripts/chaos`.

use std::time::Duration;

use drover_tests::Process;

#[tokio::test]
async fn servers_that_others_use_are_not_killed() {
    let mut chaos = Process::spawn("drover-chaos", |command| {
        command.args(["--seconds", "5"]).env_remove("DROVER_SERVERS_DIR");
    })
    .expect("it is built");
    let status = chaos.wait_for_exit(Duration::from_secs(30)).await.expect("it ends");
    assert_eq!(status.code(), Some(2));
    assert!(chaos.log().contains("run `scripts/chaos`"), "{}", chaos.log());
}
