#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include "core/base/error.h"
#include "core/base/installation.h"
#include "core/io/read_only_file.h"
#include "train/commands/help_text.h"
#include "train/commands/version_text.h"
#include "train/config/command_table.h"
#include "train/config/completion.h"
#include "train/config/licences_text.h"
#include "train/config/spelling.h"
#include "train/process/allocator.h"
#include "train/process/short_spins.h"
#include "train/process/standard_streams.h"

/// `rtdetr` itself. Loading LibTorch takes a quarter of a second of processor time, so this program does without: it
/// answers `version` and `help` where their tables are enough, prepares the environment, and becomes rtdetr-worker for
/// everything else, also for every answer that could not be written: what goes wrong is told there, in one place.
namespace {

namespace fs = std::filesystem;
using rtdetr::Command;

constexpr const char* kWorker = "rtdetr-worker";

bool is_help_word(const std::string& word) { return word == "--help" || word == "-h" || word == "help"; }

std::optional<std::string> help(const std::vector<std::string>& topics) {
  std::string text = topics.empty() ? rtdetr::help_overview() : "";
  for (const std::string& topic : topics) {
    const auto about = rtdetr::help_of_word(topic);
    if (!about) return std::nullopt;
    text += (text.empty() ? "" : "\n") + *about;
  }
  return text;
}

/// What the program says to these words, if it can be said here.
std::optional<std::string> answer(const std::vector<std::string>& words) {
  if (words.empty()) return help({});
  if (words.size() == 2 && words[0] == rtdetr::kCompletion) return help({words[0] + " " + words[1]});
  const bool alone = words.size() == 1;
  if (alone && (words[0] == "version" || words[0] == "--version" || words[0] == "-V")) return rtdetr::version_text();
  if (alone && words[0] == rtdetr::kLicences) return help(words);
  if (is_help_word(words[0])) return help({words.begin() + 1, words.end()});
  if (words.size() == 2 && rtdetr::find_command(words[0]) && is_help_word(words[1])) return help({words[0]});
  return std::nullopt;
}

bool write(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

/// Commands that run a model long, with several threads.
bool computes(const std::vector<std::string>& typed) {
  const std::vector<std::string> words = rtdetr::with_command_first(typed);
  const rtdetr::CommandInfo* info = words.empty() ? nullptr : rtdetr::find_command(words[0]);
  return info && (info->command == Command::kTrain || info->command == Command::kVal ||
                  info->command == Command::kPredict || info->command == Command::kBenchmark);
}

/// Where the build puts the other program, and where the installation does.
std::vector<fs::path> worker_places() {
  const fs::path folder = rtdetr::own_program().parent_path();
  return {folder / kWorker, folder.parent_path() / RTDETR_PRIVATE_FOLDER / kWorker};
}

}  // namespace

int main(int argc, char** argv) {
  rtdetr::open_closed_streams();
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  try {
    if (const auto text = answer(words); text && write(*text)) return 0;
    if (computes(words)) rtdetr::ask_for_short_spins();
    rtdetr::silence_large_allocations();
    for (const fs::path& worker : worker_places()) execv(worker.c_str(), argv);
    std::fprintf(stderr, "rtdetr: error: %s is not beside the program, nor in %s: %s\n", kWorker, RTDETR_PRIVATE_FOLDER,
                 rtdetr::errno_words(errno).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rtdetr: error: %s\n", error.what());
  }
  return static_cast<int>(rtdetr::ExitCode::kIo);
}
