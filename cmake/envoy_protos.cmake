# How Envoy's API becomes C++: mesh_generate_envoy_api(). The libraries themselves are in proto/, a folder of their own,
# because generated code is compiled with flags of its own.

function(mesh_run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(failed)
    message(FATAL_ERROR "${what} failed:\n${said}")
  endif()
endfunction()

# Several generated files in one translation unit share their headers' cost: ${folder}/unit_<n>.cc. (CMake's own unity
# build would write them into each build folder, where ccache takes them for different files.) Each generated file has
# file-local variables of the same two names, which are told apart by macros.
function(mesh_write_units folder)
  foreach(proto IN LISTS ARGN)
    # By name and not by place in the list: one file more changes one unit.
    string(MD5 digest "${proto}")
    string(SUBSTRING "${digest}" 0 1 unit)
    string(REPLACE ".proto" ".pb.cc" source "${proto}")
    string(REGEX REPLACE "[^a-z0-9]" "_" id "${source}")
    string(APPEND unit_${unit} "#undef schemas\n#undef file_default_instances\n"
                               "#define schemas schemas_${id}\n#define file_default_instances file_default_instances_${id}\n"
                               "#include \"cpp/${source}\"\n")
  endforeach()
  foreach(unit 0 1 2 3 4 5 6 7 8 9 a b c d e f)
    if(DEFINED unit_${unit})
      file(WRITE "${folder}/unit_${unit}.cc" "${unit_${unit}}")
    endif()
  endforeach()
endfunction()

# Generates into MESH_ENVOY_API_DIR when the Envoy binary, the list of roots, protoc or these rules changed. Files whose
# content stays the same keep their time, so that little is compiled anew; several build folders may do this at once.
function(mesh_generate_envoy_api)
  set(reader "${CMAKE_SOURCE_DIR}/tools/envoy_descriptors.py")
  set(roots "${CMAKE_CURRENT_SOURCE_DIR}/envoy_roots.txt")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${reader}" "${roots}" "${MESH_ENVOY_BINARY}")
  if(NOT EXISTS "${MESH_ENVOY_BINARY}")
    message(FATAL_ERROR "Envoy is not at ${MESH_ENVOY_BINARY}: run tools/fetch_envoy, or set MESH_ENVOY_BINARY to an Envoy 1.40.0")
  endif()
  find_program(MESH_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)  # the one that has Debian's python3-protobuf

  set(scratch "${CMAKE_CURRENT_BINARY_DIR}/envoy_api")
  file(REMOVE_RECURSE "${scratch}")
  mesh_run("Reading the API of ${MESH_ENVOY_BINARY}" ${MESH_SYSTEM_PYTHON} "${reader}" "${MESH_ENVOY_BINARY}" "${roots}" "${scratch}")
  file(SHA256 "${scratch}/api.fds" content)
  file(SHA256 "${CMAKE_CURRENT_FUNCTION_LIST_FILE}" rules)
  set(made_from "${content} ${rules} ${Protobuf_VERSION}")
  if(EXISTS "${MESH_ENVOY_API_DIR}/made_from.txt")
    file(READ "${MESH_ENVOY_API_DIR}/made_from.txt" before)
    if("${before}" STREQUAL "${made_from}")
      return()
    endif()
  endif()

  message(STATUS "Generating code for Envoy's API")
  file(STRINGS "${scratch}/files.txt" protos)
  file(MAKE_DIRECTORY "${scratch}/cpp")
  mesh_run("protoc" ${Protobuf_PROTOC_EXECUTABLE} --descriptor_set_in=${scratch}/api.fds --cpp_out=${scratch}/cpp ${protos})
  mesh_write_units("${scratch}" ${protos})
  file(GLOB old_units RELATIVE "${MESH_ENVOY_API_DIR}" "${MESH_ENVOY_API_DIR}/unit_*.cc")
  foreach(unit IN LISTS old_units)
    if(NOT EXISTS "${scratch}/${unit}")
      file(REMOVE "${MESH_ENVOY_API_DIR}/${unit}")
    endif()
  endforeach()
  file(GLOB_RECURSE files RELATIVE "${scratch}" "${scratch}/*.h" "${scratch}/*.cc")
  foreach(file IN LISTS files)
    get_filename_component(folder "${MESH_ENVOY_API_DIR}/${file}" DIRECTORY)
    file(MAKE_DIRECTORY "${folder}")
    file(COPY_FILE "${scratch}/${file}" "${MESH_ENVOY_API_DIR}/${file}" ONLY_IF_DIFFERENT)
  endforeach()
  file(WRITE "${MESH_ENVOY_API_DIR}/made_from.txt" "${made_from}")
endfunction()

add_subdirectory("${CMAKE_SOURCE_DIR}/proto" proto)
