# Lints the image after wic has made it. In an image recipe whose IMAGE_FSTYPES has wic: inherit isar-doctor
# isar-doctor must be installed where the build runs (in the kas container, for example).

# Options of `isar-doctor inspect`; `--fail-on never` to report only.
ISAR_DOCTOR_OPTIONS ?= "--fail-on error"
ISAR_DOCTOR_REPORT ?= "${DEPLOY_DIR_IMAGE}/${IMAGE_FULLNAME}.isar-doctor.json"
ISAR_DOCTOR_IMAGE ?= "${DEPLOY_DIR_IMAGE}/${IMAGE_FULLNAME}.wic"

do_isar_doctor[doc] = "Judges the disk image with isar-doctor"
do_isar_doctor() {
    isar-doctor inspect --quiet --color never --output-format "json=${ISAR_DOCTOR_REPORT}" \
        ${ISAR_DOCTOR_OPTIONS} "${ISAR_DOCTOR_IMAGE}"
}
# It takes milliseconds, and .isar-doctor.yaml may have changed.
do_isar_doctor[nostamp] = "1"
addtask isar_doctor after do_image_wic before do_build
