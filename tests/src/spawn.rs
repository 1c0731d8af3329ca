//! Child processes that do not outlive the test process, however it ends.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, mpsc};
use std::thread;

/// `setpriv` (util-linux) has the kernel kill the program when its parent ends, and then becomes the program.
pub(crate) fn dying_with_us(program: &Path) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        let try_it = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).stderr(Stdio::null()).status();
        try_it.is_ok_and(|status| status.success())
    });
    if !*SETPRIV {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// For the kernel the parent is the thread that spawned: a runtime's thread may end while its test goes on. This one
/// lives as long as the process.
pub(crate) fn from_lasting_thread(command: Command) -> anyhow::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || inbox.into_iter().for_each(|(mut command, reply)| drop(reply.send(command.spawn()))));
        Mutex::new(orders)
    });
    let (reply, answer) = mpsc::channel();
    SPAWNER.lock().map_err(|_| anyhow::anyhow!("the spawner panicked"))?.send((command, reply))?;
    Ok(answer.recv()??)
}
