//! Speaker diarization, who spoke when: 16 kHz samples in, turns out.
//!
//! Every stage is a module named for what it does, and every stage is a pure function of its arguments: no clock,
//! no network, no database. Services and the command line run the same functions, which is why they agree to the byte.
//!
//! Data flows one way: [`audio`] decodes, [`blocks`] cuts the time line, [`segmentation`] finds local speakers in windows, [`stitching`]
//! joins windows into slots, [`pieces`] cuts slots into short runs of speech, [`features`] and [`embedding`] turn a
//! piece into a voice vector ([`analysis`] is these five for one chunk), [`ordering`] puts chunks back in order,
//! [`matching`] names speakers as they come in, [`training`] gathers the voices that [`clustering`] decides on over the whole
//! recording (by [`agglomeration`]), [`timeline`] writes turns. [`diarize`] is the fold over
//! all of it, in the two readings [`survey`] and [`labelling`]; [`corrections`] are what a person says of the result.

pub mod agglomeration;
pub mod amount;
pub mod analysis;
pub mod audio;
pub mod blocks;
pub mod cast;
pub mod channels;
pub mod chunks;
pub mod clustering;
pub mod corrections;
pub mod decision;
pub mod diarize;
pub mod echo;
pub mod embedding;
pub mod evidence;
pub mod explanation;
pub mod export;
pub mod features;
pub mod hints;
pub mod installation;
pub mod labelled;
pub mod labelling;
pub mod labels;
pub mod likeness;
pub mod linkage;
pub mod manifest;
pub mod matching;
pub mod onnx;
pub mod ordering;
pub mod pcm;
pub mod pieces;
pub mod rttm;
pub mod scored;
pub mod scoring;
pub mod segmentation;
pub mod sharing;
pub mod sides;
pub mod similarity;
pub mod speakers;
pub mod stitching;
pub mod survey;
pub mod timed;
pub mod timeline;
pub mod tracks;
pub mod training;
pub mod voice;
pub mod voices;
