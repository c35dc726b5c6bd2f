//! What a rendering process may use of the machine.
//!
//! The process bounds itself before it looks at its input, which an ffmpeg that it starts inherits; the relay watches the
//! clock. Not a sandbox of system calls: what is kept from the process is memory, time and room, and by its empty
//! environment the relay's secrets.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use super::Profile;

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// What one rendering may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Address space, bytes.
    pub memory: u64,
    /// Processor time of each process, seconds.
    pub processor: u64,
    /// The output, bytes.
    pub output: u64,
    /// From start to end.
    pub wall: Duration,
}

impl Bounds {
    /// For a profile.
    ///
    /// Pictures: 128 MiB of pixels twice, when they are turned; 240 MB of coefficients of a progressive JPEG of 40
    /// megapixels, which no decoder counts; the file; the program. What takes longer than a minute is not waited for.
    /// Films: an encoder of 1080p and its libraries stay below 1.5 GiB, and an hour of film takes a quarter of one.
    #[must_use]
    pub fn of(profile: Profile) -> Bounds {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        match profile {
            Profile::Thumb | Profile::Clean => {
                Bounds { memory: 1_024 * MIB, processor: 30, output: 160 * MIB, wall: minutes(1) }
            }
            Profile::Preview => {
                Bounds { memory: 1_536 * MIB, processor: 60, output: 8 * MIB, wall: minutes(2) }
            }
            Profile::Low => {
                Bounds { memory: 2_048 * MIB, processor: 1_800, output: 512 * MIB, wall: minutes(30) }
            }
            Profile::High => {
                Bounds { memory: 3_072 * MIB, processor: 3_600, output: 2_048 * MIB, wall: minutes(60) }
            }
        }
    }

    /// Bounds this process, for good. Work that lasts gives way to everything else on the machine.
    ///
    /// # Errors
    /// When the system does not set a bound; nothing may be read then.
    pub(super) fn apply(&self, profile: Profile) -> io::Result<()> {
        // Input, output, three standard streams, the pipes of an ffmpeg, its libraries one after the other.
        const FILES: u64 = 32;
        let limits = [
            (Resource::Core, 0),
            (Resource::As, self.memory),
            (Resource::Cpu, self.processor),
            (Resource::Fsize, self.output),
            (Resource::Nofile, FILES),
        ];
        for (resource, most) in limits {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        if matches!(profile, Profile::Low | Profile::High) {
            nice(10)?;
        }
        Ok(())
    }
}
