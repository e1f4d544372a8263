// The commands, each as its options and a function that carries it out. How they are spelled is in command_line.cc.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/session.h"

namespace mesh::cli {

struct ApplyOptions {
  std::string file;  // a file, a folder, a URL, or "-"
  std::map<std::string, std::string> variables;
  bool dry_run = false;
};
Status apply(Session& session, const ApplyOptions& options);

struct GetOptions {
  std::string kind;  // any spelling
  std::string name;  // empty: list
  std::string mesh = "default";
  Format format = Format::Table;
  int size = 100;
  std::string offset;
};
Status get(Session& session, const GetOptions& options);

struct DeleteOptions {
  std::string kind, name;
  std::string mesh = "default";
};
Status remove(Session& session, const DeleteOptions& options);

struct InspectListOptions {
  std::string mesh = "default";
  Format format = Format::Table;
  std::map<std::string, std::string> tags;
  bool gateway = false;
  bool ingress = false;
};
Status inspect_dataplanes(Session& session, const InspectListOptions& options);
Status inspect_meshes(Session& session, const InspectListOptions& options);
Status inspect_services(Session& session, const InspectListOptions& options);
Status inspect_zones(Session& session, const InspectListOptions& options);

struct InspectDataplaneOptions {
  std::string name;
  std::string mesh = "default";
  std::string type = "policies";  // policies, config-dump, stats, clusters, config
  bool include_eds = false;
  bool shadow = false;
  std::vector<std::string> include;
};
Status inspect_dataplane(Session& session, const InspectDataplaneOptions& options);

struct AddControlPlaneOptions {
  ControlPlane control_plane;
  bool overwrite = false;
  bool skip_check = false;
};
Status add_control_plane(Session& session, const AddControlPlaneOptions& options);
Status list_control_planes(Session& session);
Status remove_control_plane(Session& session, const std::string& name);
Status switch_control_plane(Session& session, const std::string& name);
Status view_config(Session& session);

struct TokenOptions {
  std::string name;
  std::string mesh = "default";
  std::string proxy_type;
  std::map<std::string, std::string> tags;  // several values of one, separated by commas
  std::string workload;
  std::string zone;
  std::vector<std::string> scope = {"ingress", "egress"};
  std::vector<std::string> groups;
  std::string valid_for;
  std::string signing_key_path;  // not empty: signed here, without a control plane
  std::string key_id;
};
Status generate_dataplane_token(Session& session, const TokenOptions& options);
Status generate_zone_token(Session& session, const TokenOptions& options);
Status generate_user_token(Session& session, const TokenOptions& options);

struct CertificateOptions {
  std::string key_file = "key.pem";    // "-": the terminal
  std::string cert_file = "cert.pem";  // "-": the terminal
  std::string type;                    // "server", "client"
  std::string key_type;                // "rsa", "ecdsa"; empty: ecdsa
  std::vector<std::string> hostnames;
};
Status generate_tls_certificate(Session& session, const CertificateOptions& options);
Status generate_signing_key(Session& session, const std::string& format);
Status generate_public_key(Session& session, const std::string& signing_key_path);

Status version(Session& session, bool detailed);

}  // namespace mesh::cli
