use super::*;
use std::os::unix::process::ExitStatusExt;

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    let configure = |command: &mut Command| {
        command.args(["-c", script]);
    };
    Process::spawn_program("shell", Path::new("/bin/sh"), configure).expect("a shell")
}

#[tokio::test]
async fn both_streams_are_kept_and_lines_are_found() {
    let mut process = shell("echo out; echo to stderr >&2; exec sleep 60");
    assert_eq!(process.wait_for_line("stderr", LIMIT).await.expect("a line"), "to stderr");
    assert_eq!(process.log(), "out\nto stderr\n");
}

#[tokio::test]
async fn a_process_that_ends_too_soon_ends_the_wait() {
    let mut process = shell("echo last words; exit 3");
    process.wait_for_line("last words", LIMIT).await.expect("seen although it ended");
    let error = process.wait_for_line("never", Duration::from_secs(600)).await.expect_err("it ended");
    assert!(format!("{error:#}").contains("shell ended: exit status: 3"), "{error:#}");
}

#[tokio::test]
async fn signals_reach_the_process_itself() {
    let mut process = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    process.wait_for_line("ready", LIMIT).await.expect("ready");
    process.signal(Signal::SIGSTOP).expect("stopped");
    process.signal(Signal::SIGTERM).expect("pending");
    process.wait_for_exit(Duration::from_millis(200)).await.expect_err("a frozen process does not end");
    process.signal(Signal::SIGCONT).expect("thawed");
    assert_eq!(process.wait_for_exit(LIMIT).await.expect("it ends").code(), Some(7));
    process.signal(Signal::SIGTERM).expect_err("it has ended");
}

#[tokio::test]
async fn kill_returns_when_it_is_gone() {
    let mut process = shell("echo ready; exec sleep 60");
    process.wait_for_line("ready", LIMIT).await.expect("ready");
    assert_eq!(process.kill().expect("killed").signal(), Some(9));
}

#[tokio::test]
async fn the_environment_of_the_developer_stays_outside() {
    let mut process = shell("env; echo done");
    process.wait_for_line("done", LIMIT).await.expect("done");
    assert!(!process.log().lines().any(|line| line.starts_with("DROVER_")));
}

#[tokio::test]
async fn a_test_that_is_killed_leaves_no_process() {
    let test = env::current_exe().expect("this test");
    let mut doomed = Process::spawn_program("doomed-test", &test, |command| {
        command.args(["--ignored", "--exact", "--nocapture", "process::tests::helper_doomed"]).env(HELPER, "1");
    })
    .expect("a test");
    let line = doomed.wait_for_line("its child is ", LIMIT).await.expect("a pid");
    let child: i32 = line.rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a number");
    kill(Pid::from_raw(child), None).expect("it lives");

    doomed.kill().expect("killed");
    let left = format!("test-logs/shell-{}-0.log", doomed.pid());
    fs::remove_file(build_folder().expect("a folder").join(left)).expect("it could not clean up");
    wait::until("the child to die", LIMIT, async || {
        let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let dead = state.is_empty() || state.contains(") Z ");
        Ok(if dead { Seen::Yes(()) } else { Seen::not_yet(state) })
    })
    .await
    .expect("it dies with its parent");
}

const HELPER: &str = "HARNESS_TEST_HELPER";

#[tokio::test]
#[ignore = "runs as a child of a_test_that_is_killed_leaves_no_process"]
async fn helper_doomed() {
    if env::var_os(HELPER).is_some() {
        let child = shell("exec sleep 600");
        eprintln!("its child is {}", child.pid());
        thread::sleep(Duration::from_secs(600));
    }
}
