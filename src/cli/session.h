// One run of the tool: the flags that every command has, the configuration file, the control plane it goes to.
#pragma once

#include <boost/json/value.hpp>

#include <chrono>
#include <string>

#include "cli/client.h"
#include "cli/config_file.h"
#include "cli/terminal.h"

namespace mesh::cli {

struct GlobalOptions {
  std::string config_file;  // empty: ~/.kumactl/config
  std::string context;      // name of a control plane; empty: the current one
  bool no_config = false;
  Duration api_timeout = std::chrono::minutes(1);
};

enum class Format { Table, Yaml, Json };

class Session {
 public:
  Session(Terminal& given, GlobalOptions options) : terminal(given), options_(std::move(options)) {}

  Result<ConfigFile> load_config() const;
  Status save_config(const ConfigFile& config) const;
  Result<Client> open_client() const;
  Duration timeout() const { return options_.api_timeout; }

  Terminal& terminal;

 private:
  std::filesystem::path config_path() const;
  GlobalOptions options_;
};

// YAML or JSON. With Table, `print_table` is for the caller.
void print_document(Terminal& terminal, Format format, const boost::json::value& document);

}  // namespace mesh::cli
