#include "tests/support/program.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace rtdetr::test {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status); }

std::string content_of(int file) {
  const off_t size = lseek(file, 0, SEEK_END);
  std::string text(static_cast<std::size_t>(size), '\0');
  const ssize_t done = pread(file, text.data(), text.size(), 0);
  text.resize(done > 0 ? static_cast<std::size_t>(done) : 0);
  return text;
}

}  // namespace

Program::Program(const std::vector<std::string>& words, const std::vector<std::string>& environment,
                 const std::function<void()>& prepare)
    : out_(memfd_create("stdout", MFD_CLOEXEC)), err_(memfd_create("stderr", MFD_CLOEXEC)) {
  std::vector<std::string> arguments{RTDETR_PROGRAM}, variables = environment;
  arguments.insert(arguments.end(), words.begin(), words.end());
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  const std::vector<char*> argv = pointers(arguments), envp = pointers(variables);
  child_ = fork();
  if (child_ < 0) throw std::runtime_error("cannot fork");
  if (child_ > 0) return;
  dup2(out_, STDOUT_FILENO);
  dup2(err_, STDERR_FILENO);
  if (prepare) prepare();
  execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

Program::~Program() {
  if (!code_) {
    send(SIGKILL);
    wait();
  }
  close(out_);
  close(err_);
}

void Program::send(int signal) const {
  if (!code_) kill(child_, signal);
}

int Program::wait() {
  int status = 0;
  if (!code_ && waitpid(child_, &status, 0) == child_) code_ = code_of(status);
  return code_.value();
}

std::optional<int> Program::wait(double seconds) {
  for (const auto begin = Clock::now(); !code_ && seconds_since(begin) < seconds; pause()) {
    int status = 0;
    if (waitpid(child_, &status, WNOHANG) == child_) code_ = code_of(status);
  }
  return code_;
}

std::string Program::out() const { return content_of(out_); }
std::string Program::err() const { return content_of(err_); }

void wait_until(const std::function<bool()>& condition) {
  for (const auto begin = Clock::now(); !condition(); pause()) {
    if (seconds_since(begin) > 1200) throw std::runtime_error("waited for twenty minutes in vain");
  }
}

ProgramResult run_program(const std::vector<std::string>& words, const std::vector<std::string>& environment) {
  Program program(words, environment);
  const int code = program.wait();
  return {code, program.out(), program.err()};
}

}  // namespace rtdetr::test
