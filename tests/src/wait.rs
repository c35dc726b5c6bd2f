//! Waiting for a condition: asked again and again until it holds, or until patience ends with words about what was seen.

use std::time::{Duration, Instant};

/// Far beyond what anything here takes on a slow machine that does other things too. Not a measure of anything: a
/// condition that holds is seen at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is asked for.
const EVERY: Duration = Duration::from_millis(40);

/// Waits until `probe` gives a value. Its errors say why it has none yet.
///
/// # Panics
/// After [`PATIENCE`], with the last of those errors.
pub async fn until<T>(what: &str, probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(PATIENCE, what, probe).await
}

/// [`until`] with patience of another length.
///
/// # Panics
/// After `patience`, with the last error of `probe`.
pub async fn within<T>(
    patience: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(why) if begun.elapsed() > patience => {
                panic!("waited {} s for {what}; at last: {why}", patience.as_secs());
            }
            Err(_) => tokio::time::sleep(EVERY).await,
        }
    }
}

/// Nothing when it holds, else the reason that was made for it.
///
/// # Errors
/// When it does not hold.
pub fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(otherwise()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{until, within};

    #[tokio::test]
    async fn asks_until_it_holds() {
        let mut asked = 0;
        let value = until("the third answer", async || {
            asked += 1;
            if asked == 3 { Ok(asked) } else { Err(format!("answer {asked}")) }
        })
        .await;
        assert_eq!(value, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "for the moon; at last: not yet")]
    async fn says_what_it_waited_for() {
        within(Duration::ZERO, "the moon", async || Err::<(), _>("not yet".to_owned())).await;
    }
}
