#pragma once

namespace rtdetr {

/// Starts the program anew with GOMP_SPINCOUNT=5000, unless the environment says already how OpenMP threads wait;
/// libgomp reads it when it is loaded, so setting it later is too late. By default a thread that is ready spins for a
/// third of a million turns at each of a step's thousand meeting points. Where another program, or our own picture
/// readers, want the core of the one it waits for, that stops the work: an epoch of the demo on 2 cores took 7 s alone,
/// 90 to 190 s beside a compiler. With 5000 turns it takes 7.5 s and about 20 s. Costs the 0.2 s of a second start.
///
/// Returns only if there is nothing to do, or if it cannot be done.
void restart_with_short_spins(char** argv);

}  // namespace rtdetr
