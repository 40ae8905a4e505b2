#include "core/base/log.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/descriptor.h"
#include "core/base/log_level.h"
#include "core/base/progress.h"
#include "core/base/terminal.h"

namespace rtdetr::log {
namespace {

constexpr double kPlainLineSeconds = 10, kLiveLineSeconds = 0.05, kEventSeconds = 1;

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger make_logger(const char* pattern) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool plain = no_color && *no_color;
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_st>(plain ? spdlog::color_mode::never
                                                                          : spdlog::color_mode::automatic);
  spdlog::logger logger("rtdetr", std::move(sink));
  logger.set_level(spdlog::level::trace);
  logger.set_pattern(pattern);
  logger.flush_on(spdlog::level::trace);
  return logger;
}

/// Names of files end up in messages; a terminal must not obey what stands in them.
std::string without_control_characters(std::string text) {
  unsigned char before = 0;
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_c1 = before == 0xC2 && byte >= 0x80 && byte < 0xA0;  // U+0080 to U+009F
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f || is_c1) c = '?';
    if (is_c1) *(&c - 1) = '?';
    before = byte;
  }
  return text;
}

const char* word_of(Level level) { return spdlog::level::to_string_view(to_spdlog(level)).data(); }

/// {"type": …, "level": …, "text": …} on one line; bytes that are not UTF-8 become U+FFFD.
std::string event_text(const char* type, const char* level, const std::string& text) {
  nlohmann::ordered_json event;
  event["type"] = type;
  if (level) event["level"] = level;
  event["text"] = text;
  return event.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// Of the terminal, but for the last one, behind which it wraps.
std::size_t columns_of_terminal() {
  winsize size = {};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col - 1u : 79u;
}

/// Cuts at the terminal's width: a line that wraps cannot be rewritten. Counts code points, not bytes.
std::string fitting_terminal(const std::string& line) {
  std::size_t room = columns_of_terminal();
  std::size_t end = 0;
  while (end < line.size() && room > 0) {
    ++end;
    while (end < line.size() && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) ++end;
    --room;
  }
  return line.substr(0, end);
}

/// The file that takes what stderr does not.
class SpareFile {
 public:
  void set(const std::filesystem::path& name) {
    descriptor_.close();
    name_ = name.string();
  }

  bool write(const std::string& text) {
    if (name_.empty()) return false;
    if (!descriptor_) descriptor_ = Descriptor(::open(name_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t done = descriptor_ ? ::write(descriptor_.number(), rest.data(), rest.size()) : -1;
      if (done <= 0) return false;
      rest.remove_prefix(static_cast<std::size_t>(done));
    }
    return true;
  }

 private:
  std::string name_;
  Descriptor descriptor_;
};

/// The one writer to stderr. A message wipes the live line, prints itself and puts the live line back.
class Console {
 public:
  void set_level(Level level) {
    const std::lock_guard lock(mutex_);
    level_ = level;
  }

  Level level() {
    const std::lock_guard lock(mutex_);
    return level_;
  }

  void message(Level level, const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (level < level_) return;
    tell(level, text);
  }

  /// @param event  "": made of the line
  void progress(const std::string& line, const std::string& event) {
    const std::lock_guard lock(mutex_);
    if (form_ == ProgressForm::kNone || (form_ == ProgressForm::kAuto && Level::kInfo < level_)) return;
    line_ = without_control_characters(line);
    if (form_ == ProgressForm::kJson) line_ = event.empty() ? event_text("progress", nullptr, line) : event;
    shown_ = false;
    const double now = seconds_now();
    if (started_ && now - last_shown_ < seconds_between_lines()) return;
    started_ = true;
    show(now);
  }

  void happened(const std::string& line, const std::string& event) {
    const std::lock_guard lock(mutex_);
    if (form_ == ProgressForm::kJson) return print(Level::kInfo, event);
    if (level_ <= Level::kInfo) tell(Level::kInfo, line);
  }

  void set_form(ProgressForm form) {
    const std::lock_guard lock(mutex_);
    form_ = form;
  }

  bool is_live() const { return terminal_ && form_ == ProgressForm::kAuto; }
  bool tells_json() const { return form_ == ProgressForm::kJson; }

  void set_spare_file(const std::filesystem::path& file) {
    const std::lock_guard lock(mutex_);
    spare_.set(file);
  }

  bool write_spare(const std::string& text) {
    const std::lock_guard lock(mutex_);
    return spare_.write(text);
  }

  void end_progress() {
    const std::lock_guard lock(mutex_);
    if (started_ && !shown_) show(seconds_now());
    if (live_) std::fputs("\n", stderr);
    live_ = started_ = false;
  }

 private:
  void tell(Level level, const std::string& text) {
    if (form_ == ProgressForm::kJson) return print(Level::kInfo, message_event(level, text));
    if (live_) std::fputs("\r\033[K", stderr);
    print(level, without_control_characters(text));
    if (live_) draw();
  }

  double seconds_between_lines() const {
    if (form_ == ProgressForm::kJson) return kEventSeconds;
    return is_live() ? kLiveLineSeconds : kPlainLineSeconds;
  }

  /// A line; into the spare file if stderr does not take it. A terminal that is gone gets no live line any more.
  void print(Level level, const std::string& text) {
    std::clearerr(stderr);
    (level == Level::kInfo ? plain_ : labelled_).log(to_spdlog(level), text);
    if (std::ferror(stderr) == 0) return;
    terminal_ = live_ = false;
    const std::string label = level == Level::kInfo ? "" : word_of(level);
    spare_.write((label.empty() ? "" : label + ": ") + text + "\n");
  }

  void show(double now) {
    last_shown_ = now;
    shown_ = true;
    if (!is_live()) return print(Level::kInfo, line_);
    live_ = true;
    draw();
  }

  void draw() {
    std::clearerr(stderr);
    std::fprintf(stderr, "\r\033[K%s", fitting_terminal(line_).c_str());
    std::fflush(stderr);
    if (std::ferror(stderr) != 0) print(Level::kInfo, line_);
  }

  std::mutex mutex_;
  spdlog::logger plain_ = make_logger("%v");
  spdlog::logger labelled_ = make_logger("%^%l:%$ %v");
  std::atomic<bool> terminal_ = is_live_terminal(STDERR_FILENO);
  SpareFile spare_;
  Level level_ = Level::kInfo;
  std::atomic<ProgressForm> form_ = ProgressForm::kAuto;
  std::string line_;  // as it is printed
  double last_shown_ = 0;
  bool started_ = false;  // since the last end_progress
  bool shown_ = false;    // line_ as it is now
  bool live_ = false;     // a line without newline stands on the terminal
};

Console& console() {
  static Console* const the_console = new Console;  // never destroyed: threads may log while the program ends
  return *the_console;
}

}  // namespace

void set_level(Level level) { console().set_level(level); }
Level level() { return console().level(); }
void debug(const std::string& message) { console().message(Level::kDebug, message); }
void info(const std::string& message) { console().message(Level::kInfo, message); }
void warning(const std::string& message) { console().message(Level::kWarning, message); }
void error(const std::string& message) { console().message(Level::kError, message); }
void progress(const std::string& line) { console().progress(line, ""); }
void progress(const std::string& line, const std::string& event) { console().progress(line, event); }
void happened(const std::string& line, const std::string& event) { console().happened(line, event); }
void set_progress_form(ProgressForm form) { console().set_form(form); }
std::string message_event(Level level, const std::string& text) { return event_text("message", word_of(level), text); }
bool tells_json() { return console().tells_json(); }
std::size_t live_columns() { return console().is_live() ? columns_of_terminal() : 0; }
void end_progress() { console().end_progress(); }
void set_spare_file(const std::filesystem::path& file) { console().set_spare_file(file); }
bool write_spare(const std::string& text) { return console().write_spare(text); }

}  // namespace rtdetr::log
