//! Processes of a demo end with whoever started them.

use tokio::io::AsyncReadExt as _;

/// Waits for Ctrl-C; with `attached` also for the end of stdin, which comes when the parent is gone.
pub(super) async fn while_stdin(attached: bool) {
    let parent_is_gone = async {
        let (mut stdin, mut ignored) = (tokio::io::stdin(), [0_u8; 64]);
        while stdin.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        ended = tokio::signal::ctrl_c() => drop(ended),
        () = parent_is_gone, if attached => {}
    }
}
