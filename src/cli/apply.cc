// Documents of a file, a folder, a URL or standard input to the control plane, in their order.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <istream>
#include <iterator>
#include <ostream>

#include "base/files.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/server_kinds.h"
#include "model/json.h"
#include "model/template.h"
#include "model/yaml.h"

namespace mesh::cli {

namespace {

using boost::json::value;
namespace fs = std::filesystem;

struct Source {
  std::string name;  // for messages
  std::string text;
};

bool is_resource_file(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

Result<std::vector<Source>> read_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    std::error_code ignored;
    if (is_resource_file(entry->path()) && !fs::is_directory(entry->path(), ignored)) files.push_back(entry->path());
  }
  if (failed)
    return error(ErrorKind::Unavailable,
                 fmt::format("cannot read the folder {}: {}", folder.string(), failed.message()));
  std::ranges::sort(files);
  std::vector<Source> sources;
  for (const auto& file : files) {
    MESH_TRY(std::string text, read_file(file));
    sources.push_back({file.string(), std::move(text)});
  }
  return sources;
}

Result<std::vector<Source>> read_sources(Session& session, const std::string& file) {
  if (file == "-") {
    return std::vector<Source>{{"standard input", {std::istreambuf_iterator<char>(session.terminal.in), {}}}};
  }
  if (file.starts_with("http://") || file.starts_with("https://")) {
    wire::ClientRequest request;
    request.url = file;
    MESH_TRY(auto response, wire::fetch_and_wait(std::move(request)));
    if (response.status != 200)
      return error(ErrorKind::Unavailable, fmt::format("{} answered {}", file, response.status));
    return std::vector<Source>{{file, std::move(response.body)}};
  }
  std::error_code ignored;
  if (fs::is_directory(file, ignored)) return read_folder(file);
  MESH_TRY(std::string text, read_file(file));
  return std::vector<Source>{{file, std::move(text)}};
}

Result<std::vector<value>> read_documents(Session& session, const ApplyOptions& options) {
  MESH_TRY(const auto sources, read_sources(session, options.file));
  std::vector<value> documents;
  for (const auto& source : sources) {
    std::string text = source.text;
    if (!options.variables.empty()) {  // without variables, braces stay as they are: hostname templates have some
      auto rendered = render_template(text, options.variables);
      if (!rendered) return with_context(rendered.error(), fmt::format("while reading {}", source.name));
      text = std::move(*rendered);
    }
    auto parsed = parse_yaml(text);
    if (!parsed) return with_context(parsed.error(), fmt::format("while reading {}", source.name));
    std::ranges::move(*parsed, std::back_inserter(documents));
  }
  if (documents.empty()) return error(ErrorKind::Invalid, "no resource(s) passed to apply");
  return documents;
}

struct Applied {
  ServerKind kind;
  std::string mesh, name;
  std::string title() const {
    return fmt::format("resource type=\"{}\" mesh=\"{}\" name=\"{}\"", kind.name, mesh, name);
  }
};

Result<Applied> identify(const value& document, const ServerKinds& kinds) {
  if (!document.is_object()) return error(ErrorKind::Invalid, "a resource must be a mapping with type and name");
  MESH_TRY(ServerKind kind, kinds.by_type(text_at(document, {"type"})));
  Applied out{std::move(kind), {}, text_at(document, {"name"})};
  if (out.kind.has_mesh) out.mesh = text_at(document, {"mesh"});
  if (out.name.empty()) return invalid("name", "cannot be empty");
  if (out.kind.has_mesh && out.mesh.empty()) return invalid("mesh", "cannot be empty");
  return out;
}

// Nothing is sent when one document cannot be.
Result<std::vector<Applied>> identify_all(Session& session, const std::vector<value>& documents,
                                          const ServerKinds& kinds) {
  std::vector<Applied> out;
  bool has_errors = false;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    auto applied = identify(documents[i], kinds);
    if (applied) {
      out.push_back(std::move(*applied));
      continue;
    }
    has_errors = true;
    session.terminal.err << fmt::format("resource[{}]: failed to parse resource: {}\n", i, applied.error().message());
  }
  if (has_errors) return error(ErrorKind::Invalid, "failed to validate some resources");
  return out;
}

Status send(Session& session, const Client& client, const Applied& applied, const value& document) {
  const auto response = client.put(applied.kind.item_path(applied.mesh, applied.name), document);
  if (!response) {
    Error failed = response.error();
    failed.text = fmt::format("{}: failed server side: {}", applied.title(), failed.text);
    return failed;
  }
  session.terminal.out << fmt::format("{} {}\n", applied.title(), response->status == 201 ? "Created" : "Updated");
  if (const auto body = parse_json(response->body)) {
    for (const auto& warning : items_at(*body, {"warnings"})) {
      if (warning.is_string()) session.terminal.err << "Warning: " << std::string_view(warning.get_string()) << '\n';
    }
  }
  return {};
}

}  // namespace

Status apply(Session& session, const ApplyOptions& options) {
  MESH_TRY(const auto documents, read_documents(session, options));
  if (options.dry_run) {
    for (std::size_t i = 0; i < documents.size(); ++i) {
      session.terminal.out << (i > 0 ? "---\n" : "") << print_yaml(documents[i]);
    }
    return {};
  }
  MESH_TRY(const Client client, session.open_client());
  MESH_TRY(const ServerKinds kinds, ServerKinds::fetch(client));
  MESH_TRY(const auto all, identify_all(session, documents, kinds));
  for (std::size_t i = 0; i < all.size(); ++i) MESH_RETURN_IF_ERROR(send(session, client, all[i], documents[i]));
  return {};
}

}  // namespace mesh::cli
