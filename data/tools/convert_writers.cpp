#include "data/tools/convert_writers.h"

#include <nlohmann/json.hpp>
#include <pugixml.hpp>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/utf8.h"
#include "data/dataset/dataset_build.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

struct TextWriter : pugi::xml_writer {
  std::string text;
  void write(const void* data, std::size_t size) override { text.append(static_cast<const char*>(data), size); }
};

std::string xml_text(const pugi::xml_document& document) {
  TextWriter writer;
  document.save(writer, "  ");
  return std::move(writer.text);
}

const std::string& checked_utf8(const std::string& text) {
  if (!is_utf8(text))
    throw DataError("'" + excerpt(text) + "' is not in UTF-8, so XML cannot hold it; rename the file");
  return text;
}

void add_child(pugi::xml_node& parent, const char* name, const std::string& text) {
  parent.append_child(name).text().set(text.c_str());
}

/// The picture's name in `folder` with another extension, which is to be its own.
fs::path own_file(OwnFiles& files, const fs::path& folder, const WrittenPicture& picture, const char* extension) {
  fs::path file = (folder / picture.name).replace_extension(extension);
  files.claim(file, picture.name);
  return file;
}

void write_voc(const WrittenSplit& split, const fs::path& folder) {
  OwnFiles files;
  for (const WrittenPicture& picture : split.pictures) {
    pugi::xml_document document;
    pugi::xml_node root = document.append_child("annotation");
    add_child(root, "folder", split.key);
    add_child(root, "filename", checked_utf8(picture.name.filename().string()));
    pugi::xml_node size = root.append_child("size");
    add_child(size, "width", std::to_string(picture.width));
    add_child(size, "height", std::to_string(picture.height));
    add_child(size, "depth", "3");
    for (const WrittenBox& box : picture.boxes) {
      pugi::xml_node object = root.append_child("object");
      add_child(object, "name", checked_utf8(split.names[box.label]));
      pugi::xml_node corners = object.append_child("bndbox");
      add_child(corners, "xmin", format_double(box.xywh[0]));
      add_child(corners, "ymin", format_double(box.xywh[1]));
      add_child(corners, "xmax", format_double(box.xywh[0] + box.xywh[2]));
      add_child(corners, "ymax", format_double(box.xywh[1] + box.xywh[3]));
    }
    write_unpublished(own_file(files, folder, picture, ".xml"), xml_text(document));
  }
}

void write_cvat(const WrittenSplit& split, const fs::path& file) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("annotations");
  add_child(root, "version", "1.1");
  pugi::xml_node task = root.append_child("meta").append_child("task");
  add_child(task, "name", split.key);
  add_child(task, "size", std::to_string(split.pictures.size()));
  add_child(task, "mode", "annotation");
  pugi::xml_node labels = task.append_child("labels");
  for (const std::string& name : split.names) {
    pugi::xml_node label = labels.append_child("label");
    add_child(label, "name", checked_utf8(name));
    add_child(label, "type", "rectangle");
    label.append_child("attributes");
  }
  for (std::size_t i = 0; i < split.pictures.size(); ++i) {
    const WrittenPicture& picture = split.pictures[i];
    pugi::xml_node image = root.append_child("image");
    image.append_attribute("id").set_value(std::to_string(i).c_str());
    image.append_attribute("name").set_value(checked_utf8(picture.name.generic_string()).c_str());
    image.append_attribute("width").set_value(picture.width);
    image.append_attribute("height").set_value(picture.height);
    for (const WrittenBox& box : picture.boxes) {
      pugi::xml_node node = image.append_child("box");
      node.append_attribute("label").set_value(split.names[box.label].c_str());
      node.append_attribute("source").set_value("manual");
      node.append_attribute("occluded").set_value("0");
      const auto& [x, y, w, h] = box.xywh;
      node.append_attribute("xtl").set_value(format_double(x).c_str());
      node.append_attribute("ytl").set_value(format_double(y).c_str());
      node.append_attribute("xbr").set_value(format_double(x + w).c_str());
      node.append_attribute("ybr").set_value(format_double(y + h).c_str());
      node.append_attribute("z_order").set_value("0");
    }
  }
  write_unpublished(file, xml_text(document));
}

void write_labelme(const WrittenSplit& split, const fs::path& folder) {
  OwnFiles files;
  for (const WrittenPicture& picture : split.pictures) {
    const fs::path file = own_file(files, folder, picture, ".json");
    const fs::path image = (split.images / picture.name).lexically_relative(file.parent_path());
    std::string text = "{\"version\":\"5.4.1\",\"flags\":{},\"shapes\":[";
    for (std::size_t i = 0; i < picture.boxes.size(); ++i) {
      const auto& [x, y, w, h] = picture.boxes[i].xywh;
      text += std::string(i ? ",\n" : "\n") + "{\"label\":" + json_text_of(split.names[picture.boxes[i].label]) +
              ",\"points\":[[" + format_double(x) + "," + format_double(y) + "],[" + format_double(x + w) + "," +
              format_double(y + h) +
              "]],\"group_id\":null,\"description\":\"\",\"shape_type\":\"rectangle\",\"flags\":{}}";
    }
    text += "],\n\"imagePath\":" + json_text_of(image.generic_string()) +
            ",\"imageData\":null,\"imageHeight\":" + std::to_string(picture.height) +
            ",\"imageWidth\":" + std::to_string(picture.width) + "}\n";
    write_unpublished(file, text);
  }
}

void write_datumaro(const WrittenSplit& split, const fs::path& file) {
  OwnFiles ids;  // an item's id is its picture's name without the extension
  std::string text = "{\"dm_format_version\":\"1.0\",\"infos\":{},\"categories\":{\"label\":{\"labels\":[";
  for (std::size_t i = 0; i < split.names.size(); ++i) {
    text += std::string(i ? "," : "") + "\n{\"name\":" + json_text_of(split.names[i]) +
            ",\"parent\":\"\",\"attributes\":[]}";
  }
  text += "],\"label_groups\":[],\"attributes\":[]}},\n\"items\":[";
  for (std::size_t i = 0; i < split.pictures.size(); ++i) {
    const WrittenPicture& picture = split.pictures[i];
    text += std::string(i ? "," : "") + "\n{\"id\":" + json_text_of(own_file(ids, {}, picture, "").generic_string()) +
            ",\"annotations\":[";
    for (std::size_t b = 0; b < picture.boxes.size(); ++b) {
      const WrittenBox& box = picture.boxes[b];
      text += std::string(b ? "," : "") + "\n{\"id\":" + std::to_string(b) + ",\"type\":\"bbox\",\"attributes\":{" +
              (box.crowd ? "\"is_crowd\":true" : "") + "},\"group\":0,\"label_id\":" + std::to_string(box.label) +
              ",\"z_order\":0,\"bbox\":" + box_text(box.xywh) + "}";
    }
    text += "],\"image\":{\"path\":" + json_text_of(picture.name.generic_string()) + ",\"size\":[" +
            std::to_string(picture.height) + "," + std::to_string(picture.width) + "]}}";
  }
  write_unpublished(file, text + "\n]}\n");
}

}  // namespace

void OwnFiles::claim(const fs::path& file, const fs::path& picture) {
  const auto [owner, is_new] = owners_.emplace(file, picture);
  if (is_new) return;
  throw DataError(owner->second.string() + " and " + picture.string() +
                  " differ in their extension alone, so both would have the annotations of " +
                  file.filename().string() + "; rename one of the two");
}

std::string written_annotations(AnnotationFormat format, const std::string& key) {
  const std::string stem = "annotations/" + key;
  if (format == AnnotationFormat::kCvat) return stem + ".xml";
  return format == AnnotationFormat::kDatumaro ? stem + ".json" : stem;
}

void write_annotations(AnnotationFormat format, const WrittenSplit& split, const fs::path& annotations) {
  switch (format) {
    case AnnotationFormat::kVoc:
      return write_voc(split, annotations);
    case AnnotationFormat::kCvat:
      return write_cvat(split, annotations);
    case AnnotationFormat::kLabelme:
      return write_labelme(split, annotations);
    case AnnotationFormat::kDatumaro:
      return write_datumaro(split, annotations);
    default:
      throw InternalError("a format that is not written here");
  }
}

void write_unpublished(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  write_file_atomically(file, [&](FileSink& sink) { sink.write(text); }, {.durable = false});
}

std::string json_text_of(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw DataError("'" + text + "' is not in UTF-8, so JSON cannot hold it; rename the file");
  }
}

}  // namespace rtdetr
