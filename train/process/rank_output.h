#pragma once

#include <poll.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "core/base/descriptor.h"

namespace rtdetr {

/// Passes on, line by line and each with "rank 1: " before it, what ranks write; an object that progress=json tells
/// has "rank": 1 as its first member instead, and what else is written then becomes the text of a message with that
/// member. A reader that is slow holds up who writes, never the caller, but for an object above 4 KiB, which is written
/// at once lest another line come between; one that is gone loses the text.
class RankOutput {
 public:
  explicit RankOutput(int to = STDERR_FILENO);

  /// A pipe for one rank. @return  the end to write to; serve() reads the other
  Descriptor open(std::int64_t rank);
  /// Adds what poll() has to wait for.
  void append_to(std::vector<pollfd>& waited_for) const;
  /// Reads what is there and writes what the reader takes, without waiting.
  void serve();
  /// The same until all pipes are closed and everything is written, for at most so long.
  void finish(double seconds);

 private:
  struct Source {
    Descriptor pipe;
    std::string rank, begun;  ///< its number; what there is of a line that has no end yet
  };
  void read_from(Source& source);
  void take_lines(Source& source);
  void add_line(const Source& source, std::string_view line);
  bool is_full() const;
  void write_waiting();

  int to_;
  bool terminal_;
  std::vector<Source> sources_;
  std::string waiting_;  ///< whole lines
};

}  // namespace rtdetr
