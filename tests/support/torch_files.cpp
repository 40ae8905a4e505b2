#include "tests/support/torch_files.h"

#include <zlib.h>

#include <bit>

namespace rtdetr::test {
namespace {

std::string little(std::uint64_t number, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i));
  return text;
}

std::uint32_t crc_of(const std::string& data) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
}

constexpr std::uint16_t kTorchFlags = 0x808;

std::string local_part(const ZipPart& part) {
  const std::string name = part.local_name.value_or(part.name);
  const std::uint16_t flags =
      part.local_flags.value_or(part.flags.value_or(part.descriptor ? kTorchFlags : std::uint16_t{0x800}));
  const auto size = static_cast<std::uint32_t>(part.data.size());
  const std::uint32_t shown_size = part.local_size.value_or(part.descriptor ? 0 : size);
  const std::uint32_t crc = part.crc.value_or(crc_of(part.data));
  std::string bytes = "PK\x03\x04" + little(0, 2) + little(flags, 2) +
                      little(part.local_method.value_or(part.method.value_or(0)), 2) + little(0, 4) +
                      little(part.local_crc.value_or(part.descriptor ? 0 : crc), 4) + little(shown_size, 4) +
                      little(shown_size, 4) + little(name.size(), 2) + little(0, 2) + name + part.data;
  if (part.descriptor) bytes += "PK\x07\x08" + little(crc, 4) + little(size, 4) + little(size, 4);
  return bytes + part.behind;
}

std::string directory_part(const ZipPart& part, std::size_t at) {
  const auto size = static_cast<std::uint32_t>(part.data.size());
  return "PK\x01\x02" + little(0, 4) + little(part.flags.value_or(part.descriptor ? kTorchFlags : 0x800), 2) +
         little(part.method.value_or(0), 2) + little(0, 4) + little(part.crc.value_or(crc_of(part.data)), 4) +
         little(part.size.value_or(size), 4) + little(part.real_size.value_or(part.size.value_or(size)), 4) +
         little(part.name.size(), 2) + little(part.extra.size(), 2) + little(0, 2) + little(part.disk.value_or(0), 2) +
         little(0, 2) + little(part.attributes.value_or(0), 4) + little(part.offset.value_or(at), 4) + part.name +
         part.extra;
}

}  // namespace

std::string text(const std::string& utf8) { return "X" + little(utf8.size(), 4) + utf8; }
std::string integer(std::int64_t number) { return "\x8a\x08" + little(static_cast<std::uint64_t>(number), 8); }
std::string real(double number) { return "G" + little(__builtin_bswap64(std::bit_cast<std::uint64_t>(number)), 8); }
std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }

std::string joined(std::initializer_list<std::string> parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

std::string tuple(std::initializer_list<std::string> items) { return "(" + joined(items) + "t"; }
std::string list(std::initializer_list<std::string> items) { return "](" + joined(items) + "e"; }
std::string dictionary(std::initializer_list<std::string> pairs) { return "}(" + joined(pairs) + "u"; }

std::string call(const std::string& callee, std::initializer_list<std::string> arguments) {
  return callee + tuple(arguments) + "R";
}

std::string object(const std::string& type, const std::string& state) { return type + ")\x81" + state + "b"; }
std::string no_hooks() { return global("collections", "OrderedDict") + ")R"; }

std::string storage(const StorageText& storage) {
  return tuple({text("storage"), global("torch", storage.type), text(storage.key), text(storage.location),
                integer(storage.count)}) +
         "Q";
}

std::string tensor(const std::string& storage_text, std::int64_t offset, const std::string& size,
                   const std::string& stride) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage_text, integer(offset), size, stride, kNo, no_hooks()});
}

std::string tensor() { return tensor(storage(), 0, tuple({integer(4)}), tuple({integer(1)})); }

std::string pickle(const std::string& body, int protocol) {
  return std::string("\x80") + static_cast<char>(protocol) + body + ".";
}

std::string archive(const std::vector<ZipPart>& parts, const ZipEnd& end) {
  std::string bytes, directory;
  for (const ZipPart& part : parts) {
    directory += directory_part(part, bytes.size());
    bytes += local_part(part);
  }
  bytes += end.before_directory;
  const std::uint64_t offset = end.offset.value_or(bytes.size()), size = end.size.value_or(directory.size());
  const std::uint64_t count = end.count.value_or(parts.size());
  bytes += directory;
  if (end.zip64) {
    const std::size_t at = bytes.size();
    bytes += "PK\x06\x06" + little(44, 8) + little(0, 4) + little(0, 4) + little(0, 4) + little(count, 8) +
             little(count, 8) + little(size, 8) + little(offset, 8);
    bytes += "PK\x06\x07" + little(0, 4) + little(end.record_at.value_or(at), 8) + little(1, 4);
  }
  const std::uint64_t old_count = end.old_count.value_or(count > 0xFFFF ? 0xFFFF : count);
  return bytes + "PK\x05\x06" + little(end.disk.value_or(0), 4) + little(old_count, 2) + little(old_count, 2) +
         little(end.old_size.value_or(size), 4) + little(end.old_offset.value_or(offset), 4) +
         little(end.comment.size(), 2) + end.comment + end.behind;
}

std::string four_floats() {
  std::string bytes;
  for (const float value : {1.f, 2.f, 3.f, 4.f}) bytes += little(std::bit_cast<std::uint32_t>(value), 4);
  return bytes;
}

std::vector<ZipPart> parts_of(const std::string& pickle_text, const std::string& storage_bytes) {
  std::vector<ZipPart> parts(4);
  parts[0].name = "best/data.pkl", parts[0].data = pickle_text;
  parts[1].name = "best/byteorder", parts[1].data = "little";
  parts[2].name = "best/data/0", parts[2].data = storage_bytes;
  parts[3].name = "best/version", parts[3].data = "3\n";
  return parts;
}

std::string file_of(const std::string& body) { return archive(parts_of(pickle(body))); }

std::string StreamText::integer_bytes(std::uint64_t number) { return little(number, 8); }

std::string stream(const StreamText& parts) {
  return pickle(parts.magic) + pickle(parts.version) + pickle(parts.system) + pickle(parts.body) + pickle(parts.keys) +
         parts.storages;
}

}  // namespace rtdetr::test
