#pragma once

#include <cstddef>
#include <string>

namespace rtdetr {

/// What a launcher (launcher.h) and the ranks it starts say to each other, besides their world
/// (core/distributed/rendezvous.h).
inline constexpr const char* kLauncherVariable = "RTDETR_LAUNCHER";  ///< the launcher's process id
inline constexpr const char* kNoteVariable = "RTDETR_NOTE_FD";       ///< of rank 0: memory that the launcher reads
inline constexpr std::size_t kLongestNote = 4000;                    ///< bytes

/// Whether our own launcher started this process: it passes signals on and decides when to leave at once.
bool is_launched_rank();

/// What the launcher adds to its message if a rank fails: what is saved and how to go on. The last note counts, beyond
/// the end of this process, whatever ends it; without a launcher, or on other ranks than 0, there is nobody to tell.
void leave_note(const std::string& text);

}  // namespace rtdetr
