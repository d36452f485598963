//! The workloads, one file each: what is timed, and what is compared with the peers before.
//!
//! A new workload is one file here, its entries in [`ALL`], and one file in `bench/peers/`. (The whole job is
//! not here: it is the `narrows` command itself, see `bench/peers/whole_job.py`.)

mod cd_train;
mod convolution_train;
mod dense_train;
mod encode;
mod family_train;
mod segnet_train;

use crate::Result;
use convolution_train::Kind;
use std::path::Path;

/// One step of a workload, everything set up before: what the timing loop calls.
pub type Step = Box<dyn FnMut() -> Result<()>>;

/// A workload.
#[derive(Debug)]
pub struct Workload {
    /// The name that the driver and the peers use.
    pub name: &'static str,
    /// Builds the step on a file's rows (none: noise) for so many threads, with weights of its own.
    pub prepare: fn(file: Option<&Path>, threads: usize) -> Result<Step>,
    /// Reads the inputs in the folder, writes this side's results to its sub-folder `narrows`.
    pub check: fn(folder: &Path, threads: usize) -> Result<()>,
}

/// Every workload.
pub const ALL: &[Workload] = &[
    Workload {
        name: "dense-train-64",
        prepare: |file, threads| dense_train::prepare(file, 64, threads),
        check: |folder, threads| dense_train::check(folder, 64, threads),
    },
    Workload {
        name: "dense-train-256",
        prepare: |file, threads| dense_train::prepare(file, 256, threads),
        check: |folder, threads| dense_train::check(folder, 256, threads),
    },
    Workload {
        name: "encode-10000",
        prepare: |file, threads| encode::prepare(file, &encode::DEEP, 10_000, threads),
        check: |folder, threads| encode::check(folder, &encode::DEEP, threads),
    },
    Workload {
        name: "encode-1",
        prepare: |file, threads| encode::prepare(file, &encode::DEEP, 1, threads),
        check: |folder, threads| encode::check(folder, &encode::DEEP, threads),
    },
    Workload {
        name: "encode-1-simple",
        prepare: |file, threads| encode::prepare(file, &encode::SIMPLE, 1, threads),
        check: |folder, threads| encode::check(folder, &encode::SIMPLE, threads),
    },
    Workload {
        name: "vae-train",
        prepare: |file, threads| family_train::prepare(file, &family_train::VAE, threads),
        check: |folder, threads| family_train::check(folder, &family_train::VAE, threads),
    },
    Workload {
        name: "denoising-train",
        prepare: |file, threads| family_train::prepare(file, &family_train::DENOISING, threads),
        check: |folder, threads| family_train::check(folder, &family_train::DENOISING, threads),
    },
    Workload {
        name: "contractive-train",
        prepare: |file, threads| family_train::prepare(file, &family_train::CONTRACTIVE, threads),
        check: |folder, threads| family_train::check(folder, &family_train::CONTRACTIVE, threads),
    },
    Workload {
        name: "contractive-deep-train",
        prepare: |file, threads| family_train::prepare(file, &family_train::CONTRACTIVE_DEEP, threads),
        check: |folder, threads| family_train::check(folder, &family_train::CONTRACTIVE_DEEP, threads),
    },
    Workload {
        name: "top-k-train",
        prepare: |file, threads| family_train::prepare(file, &family_train::TOP_K, threads),
        check: |folder, threads| family_train::check(folder, &family_train::TOP_K, threads),
    },
    Workload {
        name: "conv-autoencoder-64",
        prepare: |file, threads| convolution_train::prepare(file, Kind::Autoencoder, 64, threads),
        check: |folder, threads| convolution_train::check(Kind::Autoencoder, folder, 64, threads),
    },
    Workload {
        name: "conv-autoencoder-256",
        prepare: |file, threads| convolution_train::prepare(file, Kind::Autoencoder, 256, threads),
        check: |folder, threads| convolution_train::check(Kind::Autoencoder, folder, 256, threads),
    },
    Workload {
        name: "lecture-cnn-64",
        prepare: |file, threads| convolution_train::prepare(file, Kind::LectureCnn, 64, threads),
        check: |folder, threads| convolution_train::check(Kind::LectureCnn, folder, 64, threads),
    },
    Workload {
        name: "lecture-cnn-256",
        prepare: |file, threads| convolution_train::prepare(file, Kind::LectureCnn, 256, threads),
        check: |folder, threads| convolution_train::check(Kind::LectureCnn, folder, 256, threads),
    },
    Workload {
        name: "conv-encode-10000",
        prepare: |file, threads| encode::prepare_maps(file, 10_000, threads),
        check: encode::check_maps,
    },
    Workload { name: "segnet-4", prepare: segnet_train::prepare, check: segnet_train::check },
    Workload { name: "cd-train", prepare: cd_train::prepare, check: cd_train::check },
];
