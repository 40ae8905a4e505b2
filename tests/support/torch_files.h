#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

/// Pickles, archives and streams put together by hand, sound ones and others: what torch.save writes, byte by byte.
namespace rtdetr::test {

// Pieces of a pickle; each leaves one value on the stack.

std::string text(const std::string& utf8);
std::string integer(std::int64_t number);
std::string real(double number);
std::string global(const std::string& module, const std::string& name);
std::string joined(std::initializer_list<std::string> parts);
std::string tuple(std::initializer_list<std::string> items);
std::string list(std::initializer_list<std::string> items);
/// @param pairs  key, value, key, value, …
std::string dictionary(std::initializer_list<std::string> pairs);
/// What Python calls `callee(*arguments)`.
std::string call(const std::string& callee, std::initializer_list<std::string> arguments);
/// An object of a class with these attributes: NEWOBJ, BUILD.
std::string object(const std::string& type, const std::string& state);
/// An empty OrderedDict: hooks.
std::string no_hooks();
inline const std::string kNothing = "N", kYes = "\x88", kNo = "\x89";

struct StorageText {
  std::string key = "0", type = "FloatStorage", location = "cpu";
  std::int64_t count = 4;
};
std::string storage(const StorageText& storage = {});
/// Of four floats, as numbered in `file`.
std::string tensor(const std::string& storage_text, std::int64_t offset, const std::string& size,
                   const std::string& stride);
/// The four floats.
std::string tensor();
std::string pickle(const std::string& body, int protocol = 2);

/// One entry of an archive. Unset fields are what PyTorch writes; those set are written whatever is true.
struct ZipPart {
  std::string name, data;
  std::optional<std::string> local_name;
  std::optional<std::uint32_t> crc, size, real_size, offset, attributes;
  std::optional<std::uint16_t> method, flags, local_flags, disk, local_method;
  std::optional<std::uint32_t> local_size, local_crc;
  std::string extra, behind;  ///< of the directory's entry; after the descriptor
  bool descriptor = true;
};
/// What stands at the archive's end. Unset fields are true.
struct ZipEnd {
  std::optional<std::uint64_t> offset, size, count, record_at;
  std::optional<std::uint32_t> old_offset, old_size, disk;
  std::optional<std::uint16_t> old_count;
  std::string comment, before_directory, behind;
  bool zip64 = true;
};
std::string archive(const std::vector<ZipPart>& parts, const ZipEnd& end = {});

/// 1, 2, 3, 4 as floats.
std::string four_floats();
/// The entries of a file whose pickle is this, with storage 0.
std::vector<ZipPart> parts_of(const std::string& pickle_text, const std::string& storage_bytes = four_floats());
/// The archive with the pickle of `body` and storage 0: four floats.
std::string file_of(const std::string& body);

struct StreamText {
  std::string magic = std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
  std::string version = integer(1001);
  std::string system = dictionary({text("little_endian"), kYes});
  std::string body, keys = list({text("0")});
  std::string storages = integer_bytes(4) + four_floats();
  static std::string integer_bytes(std::uint64_t number);
};
std::string stream(const StreamText& parts);

}  // namespace rtdetr::test
