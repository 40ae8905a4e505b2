#include "train/process/rank_output.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/terminal.h"
#include "core/io/read_only_file.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostWaiting = 1 << 20, kLongestLine = 1 << 16, kLongestEvent = 1 << 20;
constexpr std::size_t kPiece = 4096;  ///< a pipe that can be written to takes as much without waiting, and whole
constexpr std::string_view kEvent = "{\"type\":";

bool takes_more(int descriptor) {
  pollfd look{descriptor, POLLOUT, 0};
  return ::poll(&look, 1, 0) > 0;  // a closed one, too: write() tells
}

/// What is longer is cut.
std::size_t most_of(std::string_view line) { return line.starts_with(kEvent) ? kLongestEvent : kLongestLine; }

/// Where every line is to be an object: the line, if it is one, or else the message that it makes.
std::string as_event(std::string_view line) {
  if (line.starts_with(kEvent) && nlohmann::json::accept(line)) return std::string(line);
  return log::message_event(log::Level::kWarning, std::string(line));
}

/// How much of the lines is written at once. Another process may write in between, and must not split an object.
std::size_t piece_of(const std::string& lines) {
  if (!log::tells_json()) return std::min(lines.size(), kPiece);
  const std::size_t last = lines.rfind('\n', kPiece - 1);
  return (last == std::string::npos ? lines.find('\n') : last) + 1;
}

}  // namespace

RankOutput::RankOutput(int to) : to_(to), terminal_(is_live_terminal(to)) {}

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
  while (true) {
    const std::size_t end = rest.find('\n'), most = most_of(rest);
    if (end == std::string_view::npos && rest.size() <= most) break;
    const std::string_view line = end <= most ? rest.substr(0, end) : first_characters(rest, most);
    add_line(source, line);
    rest.remove_prefix(end <= most ? end + 1 : line.size());
  }
  source.begun = std::string(rest);
}

void RankOutput::add_line(const Source& source, std::string_view line) {
  if (log::tells_json()) {
    waiting_.append("{\"rank\":" + source.rank + ",").append(as_event(line), 1).append("\n");
    return;
  }
  if (terminal_) waiting_ += "\r\033[K";  // rank 0's live line may stand there
  waiting_.append("rank " + source.rank + ": ").append(line).append("\n");
}

void RankOutput::write_waiting() {
  while (!waiting_.empty() && takes_more(to_)) {
    const ssize_t count = ::write(to_, waiting_.data(), piece_of(waiting_));
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
