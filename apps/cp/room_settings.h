// From the settings that a user writes to those that the rooms take.
#pragma once

#include "admission/admission.h"
#include "admission/bootstrap_defaults.h"
#include "api/api_server.h"
#include "dpserver/dataplane_server.h"
#include "naming/name_planner.h"
#include "pipeline/pipeline.h"
#include "settings/control_plane.h"

namespace mesh {

AccessSettings access_settings(const ControlPlaneSettings& settings);
AdmissionSettings admission_settings(const ControlPlaneSettings& settings);
BootstrapSettings bootstrap_settings(const ControlPlaneSettings& settings);
PipelineSettings pipeline_settings(const ControlPlaneSettings& settings, const std::string& instance_id);
InsightWriterSettings insight_settings(const ControlPlaneSettings& settings, const std::string& instance_id);
OfflineSettings offline_settings(const ControlPlaneSettings& settings);
// Says which range is wrong; logs what to be careful about.
Result<NamingSettings> naming_settings(const ControlPlaneSettings& settings);
ApiSettings api_settings(const ControlPlaneSettings& settings, const std::string& instance_id);
// Reads the files of public keys that are named.
Result<TokenTrusts> token_trusts(const ControlPlaneSettings& settings);
Result<DataplaneServerSettings> dataplane_server_settings(const ControlPlaneSettings& settings, TokenTrusts trusts);
// For authentication by IAM roles: credentials, addresses and timing. Says which setting is wrong or missing.
Result<AwsDoorSettings> aws_door_settings(const ControlPlaneSettings& settings, const Environment& environment,
                                          const Clock& clock);
// Reads the files of the certificate, and of those that clients may have.
Result<ApiListeners> api_listeners(const ControlPlaneSettings& settings);
std::vector<std::filesystem::path> api_certificate_files(const ControlPlaneSettings& settings);
Result<wire::TlsServerSettings> diagnostics_tls(const ControlPlaneSettings& settings);
std::vector<std::filesystem::path> diagnostics_certificate_files(const ControlPlaneSettings& settings);

}  // namespace mesh
