#pragma once

namespace rtdetr {

/// Opens /dev/null on whichever of descriptors 0, 1 and 2 is closed. Without it the next files that are opened get
/// those numbers, and what is meant for the terminal lands in a run's lock, record or checkpoint. Comes first in
/// main().
void open_closed_streams();

/// From here on writing to a pipe that nobody reads fails instead of ending the program: for a run, whose output goes
/// on in its folder (log::set_spare_file).
void outlive_closed_pipes();

/// Ends the program as SIGPIPE does, without a word, also where whoever started it had the signal ignored.
[[noreturn]] void end_as_by_closed_pipe();

}  // namespace rtdetr
