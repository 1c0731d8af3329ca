//! Ids and jitter without randomness.

use drover_protocol::JobId;
use uuid::Uuid;

use crate::Entropy;

/// Ids that rise, jitter that is the same in each run of a test.
#[derive(Clone, Debug)]
pub struct Seeded {
    ids: u128,
    jitter: u64,
}

impl Default for Seeded {
    fn default() -> Self {
        Self { ids: 0, jitter: 7 }
    }
}

impl Entropy for Seeded {
    fn job_id(&mut self) -> JobId {
        self.ids += 1;
        JobId(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + self.ids))
    }

    fn jitter(&mut self) -> f64 {
        self.jitter = self.jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.jitter >> 32).unwrap()) / (f64::from(u32::MAX) + 1.0)
    }
}
