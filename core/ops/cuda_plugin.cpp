#include "core/ops/cuda_plugin.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <vector>

#include "core/base/error.h"
#include "core/base/installation.h"

namespace rtdetr {
namespace {

std::atomic<const CudaPlugin*> g_plugin{nullptr};

constexpr const char* kFileName = "librtdetr_cuda.so";

/// @param is_there  the file is, but not what it needs
std::string how_to_get(bool is_there) {
  if (is_of_build_folder()) return "; `RTDETR_CUDA=ON scripts/setup`, then `scripts/build` bring it and what it needs";
  const std::string page = readable_page("docs/gpu.md");
  return is_there ? "; what it needs: " + page
                  : "; this installation has no GPU half, building from source brings it: " + page;
}

std::vector<std::filesystem::path> candidates() {
  if (const char* named = std::getenv("RTDETR_CUDA_PLUGIN")) return {named};
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  std::vector<std::filesystem::path> files = {folder / kFileName,
                                              folder.parent_path() / RTDETR_PLUGIN_FOLDER / kFileName};
  if (const auto library = folder_of_own_library(); !library.empty())
    files.insert(files.end(), {library / kFileName, library / "rtdetr" / kFileName});
  return files;
}

std::filesystem::path find_plugin() {
  std::string looked;
  for (const auto& file : candidates()) {
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) return file;
    looked.append(" ").append(file.string());
  }
  throw ConfigError("the CUDA plug-in is not at" + looked + how_to_get(false));
}

const CudaPlugin& open_plugin(const std::filesystem::path& file) {
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library) throw ConfigError("the CUDA plug-in cannot be loaded: " + std::string(::dlerror()) + how_to_get(true));
  using Entry = const CudaPlugin* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, kCudaPluginEntry));
  if (!entry) throw ConfigError(file.string() + " is no CUDA plug-in of rtdetr");
  const CudaPlugin& plugin = *entry();
  if (plugin.version != kCudaPluginVersion)
    throw ConfigError(file.string() + " was built for another version of rtdetr; build both together");
  return plugin;
}

}  // namespace

void load_cuda_plugin() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (g_plugin == nullptr) g_plugin = &open_plugin(find_plugin());
}

const CudaPlugin* cuda_plugin() { return g_plugin; }

}  // namespace rtdetr
