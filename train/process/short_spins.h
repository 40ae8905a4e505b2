#pragma once

namespace rtdetr {

/// Sets GOMP_SPINCOUNT=5000 for the program that is started next, unless the environment says already how OpenMP
/// threads wait; libgomp reads it when it is loaded, so the program that has it loaded cannot. By default a thread that
/// is ready spins for a third of a million turns at each of a step's thousand meeting points. Where another program, or
/// our own picture readers, want the core of the one it waits for, that stops the work: an epoch of the demo on 2 cores
/// took 7 s alone, 90 to 190 s beside a compiler. With 5000 turns it takes 7.5 s and about 20 s.
void ask_for_short_spins();

}  // namespace rtdetr
