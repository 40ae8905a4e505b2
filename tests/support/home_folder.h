#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

/// Where a process is at home and works: both are as before when the test ends.
namespace rtdetr::test {

/// Sets $HOME, or removes it.
class HomeFolder {
 public:
  explicit HomeFolder(const char* path) {
    if (const char* before = std::getenv("HOME")) before_ = before;
    set(path);
  }
  ~HomeFolder() { set(before_ ? before_->c_str() : nullptr); }
  HomeFolder(const HomeFolder&) = delete;
  HomeFolder& operator=(const HomeFolder&) = delete;

 private:
  static void set(const char* path) { path ? ::setenv("HOME", path, 1) : ::unsetenv("HOME"); }
  std::optional<std::string> before_;
};

class WorkingFolder {
 public:
  explicit WorkingFolder(const std::filesystem::path& path) { std::filesystem::current_path(path); }
  ~WorkingFolder() { std::filesystem::current_path(before_); }
  WorkingFolder(const WorkingFolder&) = delete;
  WorkingFolder& operator=(const WorkingFolder&) = delete;

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
};

}  // namespace rtdetr::test
