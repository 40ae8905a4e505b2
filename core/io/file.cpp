#include "core/io/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "core/base/descriptor.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";
constexpr std::size_t kProcessDigits = 8, kTemporaryDigits = 16;

std::uint64_t checked_size(const ReadOnlyFile& file, std::size_t limit) {
  if (file.size() > limit) {
    throw IoError("cannot read '" + file.name() + "': it has " + with_thousands(static_cast<long long>(file.size())) +
                  " bytes, at most " + with_thousands(static_cast<long long>(limit)) + " are accepted here");
  }
  return file.size();
}

/// ".last.safetensors.tmp-": what the names of a target's temporary files begin with.
std::string temporary_stem(const std::filesystem::path& target) {
  constexpr std::size_t kKeptOfName = 200;  // a file name has 255 bytes at most
  return std::string(".").append(target.filename().string(), 0, kKeptOfName).append(kTemporaryMark);
}

/// ".last.safetensors.tmp-000004d21f2e3d4c": beside the target, hidden, with the process and a number that no two of
/// its writers share, nor those of two machines.
std::filesystem::path temporary_beside(const std::filesystem::path& target) {
  static std::atomic<std::uint32_t> count{0};
  std::uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) number = ++count;
  char digits[kTemporaryDigits + 1];
  std::snprintf(digits, sizeof digits, "%08x%08x", static_cast<unsigned>(::getpid()), static_cast<unsigned>(number));
  return target.parent_path() / (temporary_stem(target) + digits);
}

bool is_temporary(const std::string& name) {
  const std::size_t mark = name.rfind(kTemporaryMark);
  return name.starts_with('.') && mark != std::string::npos &&
         name.size() == mark + kTemporaryMark.size() + kTemporaryDigits &&
         name.find_first_not_of("0123456789abcdef", mark + kTemporaryMark.size()) == std::string::npos;
}

/// Whether the process that a temporary's name tells is still there.
bool writer_lives(const std::string& temporary) {
  const char* digits = temporary.data() + temporary.size() - kTemporaryDigits;
  pid_t process = 0;
  std::from_chars(digits, digits + kProcessDigits, process, 16);
  return ::kill(process, 0) == 0 || errno != ESRCH;
}

std::filesystem::path folder_of(const std::filesystem::path& target) {
  return target.has_parent_path() ? target.parent_path() : ".";
}

/// Removes the temporaries in `folder` whose names `is_leftover` picks.
template <class IsLeftover>
int remove_temporaries(const std::filesystem::path& folder, IsLeftover&& is_leftover) {
  int removed = 0;
  std::error_code fault;
  for (const auto& entry : std::filesystem::directory_iterator(folder, fault)) {
    const std::string name = entry.path().filename().string();
    if (is_temporary(name) && is_leftover(name) && ::unlink(entry.path().c_str()) == 0) ++removed;
  }
  return removed;
}

/// Folders that killed writers of a FolderInMaking left; a living process's stays.
void remove_leftover_folders_of(const std::filesystem::path& target) {
  const std::string stem = temporary_stem(target);
  std::vector<std::filesystem::path> leftovers;
  std::error_code fault;
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(target), fault)) {
    const std::string name = entry.path().filename().string();
    const bool is_folder = entry.symlink_status(fault).type() == std::filesystem::file_type::directory;
    if (is_folder && is_temporary(name) && name.starts_with(stem) && !writer_lives(name))
      leftovers.push_back(entry.path());
  }
  for (const std::filesystem::path& leftover : leftovers) std::filesystem::remove_all(leftover, fault);
}

/// A file system object of ours that is removed unless it got its final name.
class Temporary {
 public:
  explicit Temporary(std::filesystem::path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const char* name() const { return path_.c_str(); }
  void became_final() { path_.clear(); }

 private:
  std::filesystem::path path_;
};

[[noreturn]] void fail(const std::filesystem::path& target, const std::string& action, int error) {
  throw IoError("cannot write '" + target.string() + "': " + action + ": " + errno_words(error));
}

void make_durable_folder(const std::filesystem::path& target) {
  const Descriptor folder(::open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some network file systems cannot sync a folder and say EINVAL: their rename is as durable as it gets.
  if (folder && (::fsync(folder.number()) == 0 || errno == EINVAL)) return;
  const std::string words = errno_words(errno);
  throw UnsyncedError("cannot write '" + target.string() +
                      "': the new file is in place, but a power cut may still lose it; syncing its folder: " + words);
}

/// Writes, syncs and closes the temporary file. Each file is synced once: after a failed fsync the kernel may have
/// dropped the very pages a second one would report as safe.
void fill_temporary(const Temporary& temporary, const std::filesystem::path& target,
                    const std::function<void(FileSink&)>& write, bool durable) {
  Descriptor file(::open(temporary.name(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!file) fail(target, "making a temporary file beside it", errno);
  FileSink sink(file.number(), target.string());
  write(sink);
  if (durable && ::fsync(file.number()) != 0) fail(target, "syncing", errno);
  if (const int error = file.close(); error != 0) fail(target, "closing", error);
}

/// How the present file was kept while the new one takes its name.
enum class Kept { kNothing, kSecondName, kMovedAway };

Kept keep_present(const std::filesystem::path& target, const Temporary& second_name,
                  const std::filesystem::path& keep) {
  if (keep.empty()) return Kept::kNothing;
  if (::link(target.c_str(), second_name.name()) == 0) return Kept::kSecondName;
  if (errno == ENOENT) return Kept::kNothing;
  const bool no_links = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK;
  if (no_links && ::rename(target.c_str(), keep.c_str()) == 0) return Kept::kMovedAway;
  fail(target, "keeping the present one as '" + keep.string() + "'", errno);
}

/// Gives the temporary file the target's name, the present one having a second name before.
Kept put_in_place(Temporary& temporary, const std::filesystem::path& target, const Temporary& second_name,
                  const std::filesystem::path& keep) {
  const Kept kept = keep_present(target, second_name, keep);
  if (::rename(temporary.name(), target.c_str()) != 0) {
    const int error = errno;
    if (kept == Kept::kMovedAway && ::rename(keep.c_str(), target.c_str()) != 0) {
      fail(target, "the present one is now '" + keep.string() + "'; renaming", error);
    }
    fail(target, "renaming", error);
  }
  temporary.became_final();
  return kept;
}

}  // namespace

std::string read_text_file(const std::filesystem::path& path, std::size_t limit) {
  const ReadOnlyFile file(path);
  std::string text(checked_size(file, limit), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::vector<std::byte> read_binary_file(const std::filesystem::path& path, std::size_t limit) {
  const ReadOnlyFile file(path);
  std::vector<std::byte> bytes(checked_size(file, limit));
  file.read(0, bytes);
  return bytes;
}

std::vector<std::string> read_text_lines(const std::filesystem::path& path, std::size_t limit) {
  const std::string text = read_text_file(path, limit);
  if (const std::string_view encoding = wide_encoding(text); !encoding.empty()) {
    throw DataError(path.string() + ": " + wide_encoding_hint(encoding));
  }
  std::vector<std::string> lines = split(without_byte_order_mark(text), '\n');
  for (std::string& line : lines) line = trim(line);
  return lines;
}

void FileSink::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      const int error = errno;
      struct statvfs space = {};
      std::string text = "cannot write '" + name_ + "': " + errno_words(error) + "; " +
                         with_thousands(static_cast<long long>(bytes.size())) + " bytes more are needed";
      if (::fstatvfs(descriptor_, &space) == 0) {
        text += ", " + with_thousands(static_cast<long long>(space.f_bavail * space.f_frsize)) + " are free there";
      }
      throw IoError(text);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void FileSink::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void write_file_atomically(const std::filesystem::path& target, const std::function<void(FileSink&)>& write,
                           const AtomicWriteOptions& options) {
  Temporary temporary(temporary_beside(target));
  const Temporary second_name(temporary_beside(target));
  Kept kept = Kept::kNothing;
  try {
    fill_temporary(temporary, target, write, options.durable);
    if (options.verify) options.verify(temporary.name());
    kept = put_in_place(temporary, target, second_name, options.keep_previous);
  } catch (const IoError& fault) {
    throw IoError(std::string(fault.what()) + "; what was there before is unchanged");
  }
  // With a file to keep, every moment shows two whole versions: the older one leaves its name only now.
  if (kept == Kept::kSecondName && ::rename(second_name.name(), options.keep_previous.c_str()) != 0)
    throw UnsyncedError("cannot write '" + target.string() + "': the new file is in place; naming the one before it '" +
                        options.keep_previous.string() + "' failed: " + errno_words(errno));
  if (options.durable) make_durable_folder(target);
}

void write_text_atomically(const std::filesystem::path& target, std::string_view text) {
  write_file_atomically(target, [&](FileSink& sink) { sink.write(text); });
}

void synced_or_said(const std::function<void()>& write) {
  try {
    write();
  } catch (const UnsyncedError& fault) {
    log::warning(fault.what());
  }
}

int remove_leftover_temporaries(const std::filesystem::path& folder) {
  return remove_temporaries(folder, [](const std::string&) { return true; });
}

int remove_leftover_temporaries_of(const std::filesystem::path& target) {
  return remove_temporaries(folder_of(target), [stem = temporary_stem(target)](const std::string& name) {
    return name.starts_with(stem) && !writer_lives(name);
  });
}

void make_folders(const std::filesystem::path& folder) {
  std::error_code fault;
  std::filesystem::create_directories(folder, fault);
  if (fault) throw IoError("cannot make the folder '" + folder.string() + "': " + errno_words(fault.value()));
}

std::filesystem::path make_fresh_folder(const std::filesystem::path& parent, const std::string& stem) {
  constexpr int kMostTries = 100'000;
  const std::filesystem::path below = std::filesystem::path(stem).lexically_normal();
  if (stem.empty() || below.is_absolute() || *below.begin() == ".." || !below.has_filename() || below == ".") {
    throw ConfigError("'" + stem + "' is no name for a folder in '" + parent.string() + "'");
  }
  for (int number = 1; number <= kMostTries; ++number) {
    const std::filesystem::path folder = parent / (number == 1 ? stem : stem + "-" + std::to_string(number));
    if (folder.has_parent_path()) make_folders(folder.parent_path());
    if (::mkdir(folder.c_str(), 0777) == 0) return folder;
    if (errno != EEXIST) throw IoError("cannot make the folder '" + folder.string() + "': " + errno_words(errno));
  }
  throw IoError("cannot make a folder '" + (parent / stem).string() + "-N': all numbers up to " +
                std::to_string(kMostTries) + " are taken");
}

FolderInMaking::FolderInMaking(std::filesystem::path target)
    : target_(std::move(target)), temporary_(temporary_beside(target_)) {
  remove_leftover_folders_of(target_);
  if (::mkdir(temporary_.c_str(), 0777) != 0) fail(target_, "making a temporary folder beside it", errno);
}

FolderInMaking::~FolderInMaking() {
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

void FolderInMaking::publish() {
  // An empty folder of that name would be replaced, which loses nothing; anything else makes rename fail.
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    fail(target_, "giving the finished folder its name; what has that name is unchanged", errno);
  temporary_.clear();
  make_durable_folder(target_);
}

}  // namespace rtdetr
