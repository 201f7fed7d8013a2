//! `GET /health/live` and `GET /health/ready`.

use serde::{Deserialize, Serialize};

/// Whether the server can be sent work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Health {
    /// `live`, `ready`, `loading`, `draining` or `failed`.
    pub status: String,
}
