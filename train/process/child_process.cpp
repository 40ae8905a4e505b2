#include "train/process/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/base/error.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

void say_why(const char* file) {
  const char* reason = std::strerror(errno);
  for (const char* part : {"rtdetr: error: cannot start ", file, ": ", reason, "\n"}) {
    if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) return;
  }
}

void take_streams(const ChildStart& start) {
  // First out of the way, in case one of them has the number of another.
  const int out = ::fcntl(start.out, F_DUPFD, STDERR_FILENO + 1), err = ::fcntl(start.err, F_DUPFD, STDERR_FILENO + 1);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::close(out);
  ::close(err);
  for (const int descriptor : start.kept) ::fcntl(descriptor, F_SETFD, 0);
}

}  // namespace

pid_t start_child(const ChildStart& start, void (*prepare)(const void* context), const void* context) {
  const std::vector<char*> arguments = pointers(start.arguments), environment = pointers(start.environment);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw IoError("cannot start another process: " + errno_words(errno));
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotStart);  // it was gone before it could be watched
  take_streams(start);
  prepare(context);
  ::execve(start.file.c_str(), arguments.data(), environment.data());
  say_why(start.file.c_str());
  ::_exit(kCannotStart);
}

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  const auto name_of = [](const std::string& variable) { return variable.substr(0, variable.find('=')); };
  std::vector<std::string> result = changes;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string name = name_of(*variable);
    const bool changed =
        std::any_of(changes.begin(), changes.end(), [&](const std::string& change) { return name_of(change) == name; });
    if (!changed) result.emplace_back(*variable);
  }
  return result;
}

std::vector<pid_t> children_of_this_process() {
  std::vector<pid_t> children;
  std::error_code fault;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", fault)) {
    std::ifstream file(thread.path() / "children");
    for (pid_t child = 0; file >> child;) children.push_back(child);
  }
  return children;
}

}  // namespace rtdetr
