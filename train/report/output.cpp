#include "train/report/output.h"

#include <cerrno>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/read_only_file.h"
#include "train/process/failure.h"
#include "train/process/standard_streams.h"

namespace rtdetr {

namespace {

/// What stdout does not take goes to a run's spare file (core/base/log.h) if there is one.
bool kept_in_spare_file(const std::string& text, int fault) {
  static bool told = false;
  if (!log::write_spare(text)) return false;
  if (!std::exchange(told, true))
    log::warning("standard output takes nothing: " + errno_words(fault) +
                 "; its text is in output.txt of the run's folder");
  return true;
}

void write_stdout(const std::string& text) {
  const bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  const int fault = errno;
  if (ok || kept_in_spare_file(text, fault)) return;
  if (fault == EPIPE) end_as_by_closed_pipe();
  throw IoError("cannot write to standard output: " + errno_words(fault));
}

/// Whether stdout has its document, or a part of it.
bool json_begun = false;

}  // namespace

void print_text(const Settings& settings, const std::string& text) {
  if (!settings.json) write_stdout(text);
}

void print_json(const Settings& settings, const nlohmann::ordered_json& document) {
  if (!settings.json) return;
  json_begun = true;
  write_stdout(json_text(document));
}

void print_json_error(const Error& error) noexcept {
  if (json_begun) return;
  json_begun = true;
  try {
    write_stdout(json_text({{"error",
                             {{"exit_code", static_cast<int>(error.code())},
                              {"kind", kind_of(error.code())},
                              {"message", error.what()}}}}));
  } catch (...) {  // a closed stdout: the message is on stderr
    return;
  }
}

nlohmann::ordered_json error_event(const Error& error) {
  return {{"type", "error"},
          {"exit_code", static_cast<int>(error.code())},
          {"kind", kind_of(error.code())},
          {"message", error.what()}};
}

std::string json_text(const nlohmann::ordered_json& document) {
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string json_line(const nlohmann::ordered_json& document) {
  return document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace rtdetr
