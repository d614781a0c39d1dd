//! Decodes strangers' files in a process of its own.
//!
//! A file that was uploaded is read by decoders, and now and then by the program ffmpeg: much code, some of it written in C, over bytes
//! that somebody chose. Here that work is done by `throughline-decoder`, a process that is given the open file and nothing else: no
//! credentials in its environment, no network, no files but the programs of the system, bounded memory and processor time. It answers with
//! samples over a pipe. Where it breaks, the file is refused and nobody else notices.
//!
//! [`Decoder`] starts it and reads what it says, without believing it; `work` is what it does; `fence` is what it may not do.

mod decoder;
mod fence;
mod group;
mod wire;
mod work;

pub use decoder::{Decoder, Limits, program};
pub use fence::{Fence, raise};
pub use wire::Failure;
pub use work::{Work, run};
