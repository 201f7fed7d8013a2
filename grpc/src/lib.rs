//! The Open Inference Protocol over gRPC, which KServe and Triton speak: its types, its server and its client, generated
//! from `proto/open_inference.proto` when this crate is compiled.
//!
//! A crate of its own, so that the server does not wait for the generation. What is done with a request is the server's
//! `grpc` module.

#![expect(missing_docs, reason = "generated; the protocol's file says what each means")]

tonic::include_proto!("inference");

/// The protocol's description, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
