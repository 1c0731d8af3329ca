//! Two orchestrators and four workers against one and one, on the same servers.

use crate::{counts::Counts, fan_out, figures::Figures, system::System, workflows};

/// How many orchestrators, how many workers, and what the names of the figures begin with.
pub(crate) const FLEETS: [(usize, usize, &str); 2] = [(1, 1, "scale_1_1"), (2, 4, "scale_2_4")];

/// Fan-out and short workflows by each fleet.
pub(crate) async fn measure(counts: &Counts, figures: &mut Figures) -> anyhow::Result<()> {
    for (orchestrators, workers, name) in FLEETS {
        let mut system = System::start_many(counts, orchestrators, workers).await?;
        system.warm_up().await?;
        fan_out::once(&mut system, counts.scale_fan_out, figures, &format!("{name}_fanout")).await?;
        workflows::measure(&mut system, counts, figures, &format!("{name}_workflow")).await?;
        system.done();
    }
    Ok(())
}
