#include "train/process/rank_output.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostWaiting = 1 << 20, kLongestLine = 1 << 16;
constexpr std::size_t kPiece = 4096;  ///< a pipe that can be written to takes as much without waiting

bool takes_more(int descriptor) {
  pollfd look{descriptor, POLLOUT, 0};
  return ::poll(&look, 1, 0) > 0;  // a closed one, too: write() tells
}

}  // namespace

RankOutput::RankOutput(int to) : to_(to), terminal_(::isatty(to) == 1) {}

Descriptor RankOutput::open(std::int64_t rank) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw IoError("cannot make a pipe: " + errno_words(errno));
  Source source;
  source.pipe = Descriptor(ends[0]);
  source.rank = std::to_string(rank);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  sources_.push_back(std::move(source));
  return Descriptor(ends[1]);
}

bool RankOutput::is_full() const { return waiting_.size() >= kMostWaiting; }

void RankOutput::append_to(std::vector<pollfd>& waited_for) const {
  if (!is_full()) {
    for (const Source& source : sources_)
      if (source.pipe) waited_for.push_back({source.pipe.number(), POLLIN, 0});
  }
  if (!waiting_.empty()) waited_for.push_back({to_, POLLOUT, 0});
}

void RankOutput::serve() {
  for (Source& source : sources_)
    if (source.pipe) read_from(source);
  write_waiting();
}

void RankOutput::read_from(Source& source) {
  std::array<char, 1 << 14> bytes;
  while (!is_full()) {
    const ssize_t count = ::read(source.pipe.number(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count > 0) source.begun.append(bytes.data(), static_cast<std::size_t>(count));
    take_lines(source);
    if (count > 0) continue;
    if (!source.begun.empty()) add_line(source, source.begun);
    source.pipe.close();
    return;
  }
}

void RankOutput::take_lines(Source& source) {
  std::string_view rest = source.begun;
  for (std::size_t end = 0; (end = std::min(rest.find('\n'), kLongestLine)) < rest.size();) {
    add_line(source, rest.substr(0, end));
    rest.remove_prefix(rest[end] == '\n' ? end + 1 : end);
  }
  source.begun = std::string(rest);
}

void RankOutput::add_line(const Source& source, std::string_view line) {
  if (terminal_) waiting_ += "\r\033[K";  // rank 0's live line may stand there
  constexpr std::string_view kEvent = "{\"type\":";
  if (line.starts_with(kEvent))
    waiting_.append("{\"rank\":" + source.rank + ",").append(line.substr(1)).append("\n");
  else
    waiting_.append("rank " + source.rank + ": ").append(line).append("\n");
}

void RankOutput::write_waiting() {
  while (!waiting_.empty() && takes_more(to_)) {
    const ssize_t count = ::write(to_, waiting_.data(), std::min(waiting_.size(), kPiece));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count < 0)
      waiting_.clear();
    else
      waiting_.erase(0, static_cast<std::size_t>(count));
  }
}

void RankOutput::finish(double seconds) {
  for (const Stopwatch watch; watch.seconds() < seconds;) {
    serve();
    std::vector<pollfd> left;
    append_to(left);
    if (left.empty()) return;
    ::poll(left.data(), left.size(), 50);
  }
}

}  // namespace rtdetr
